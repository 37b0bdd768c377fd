/** The UUID, version 5, that a SHA-1 makes. @param sha1 40 hexadecimal digits */
export function toUuid5(sha1: string): string {
  const variant = ((Number.parseInt(sha1[16]!, 16) & 3) | 8).toString(16)
  return `${sha1.slice(0, 8)}-${sha1.slice(8, 12)}-5${sha1.slice(13, 16)}-${variant}${sha1.slice(17, 20)}-${sha1.slice(20, 32)}`
}
