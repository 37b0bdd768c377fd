/** A clock that goes on from a time that another one showed just now, by what cannot be set: the time since the start. */
export function clockFrom(ms: number): () => Date {
  const offset = ms - performance.now()
  return () => new Date(offset + performance.now())
}
