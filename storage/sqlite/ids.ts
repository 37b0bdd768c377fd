/** UUIDs are kept as their 16 bytes, which sort as their text does. */
export function toBlob(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

export function toUuid(blob: Uint8Array): string {
  return Buffer.from(blob.buffer, blob.byteOffset, blob.length)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
