import { readdir } from 'node:fs/promises'

/**
 * Reads a folder in which every file is one plugin of the same kind: an adapter, a storage driver, a job. What they
 * share lies in sub-folders, which are not read.
 * @returns default exports by name of the file without `.ts`, in alphabetical order.
 */
export async function readFolder<Plugin>(folder: URL): Promise<Map<string, Plugin>> {
  const entries = await readdir(folder, { withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.ts')).map((entry) => entry.name)
  const plugins = await Promise.all(
    files.sort().map(async (file): Promise<[string, Plugin]> => {
      const module = await import(new URL(file, folder).href)
      if (typeof module.default !== 'function') {
        throw new TypeError(
          `${new URL(file, folder).pathname} has no default export made by a define… helper of its kit`
        )
      }
      return [file.slice(0, -3), module.default]
    })
  )
  return new Map(plugins)
}
