export interface RoutePattern {
  /** As it was registered: `/v1/api/events/:id`, `/static/*`. */
  url: string
  methods: string[]
}

/** The methods that some route takes at this path; none where there is no route. */
export function allowedMethods(routes: RoutePattern[], path: string): string[] {
  const matching = routes.filter(({ url }) => toRegExp(url).test(path))
  return [...new Set(matching.flatMap(({ methods }) => methods))].sort()
}

function toRegExp(url: string): RegExp {
  const source = url
    .replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll(/:\w+/g, '[^/]+')
  return new RegExp(`^${source}$`)
}
