import { FEED_HEAD } from './feeds.ts'

const PIECE = 65_536

/** The same text again and again, in pieces of 64 kB, up to about `bytes`. Nothing is ever whole in memory. */
export function* repeat(text: string, bytes = Infinity): Generator<string> {
  const times = Math.max(1, Math.floor(PIECE / text.length))
  const piece = text.repeat(times)
  for (let sent = 0; sent < bytes; sent += piece.length) {
    yield bytes - sent >= piece.length ? piece : text.repeat(Math.ceil((bytes - sent) / text.length))
  }
}

/** Things one after the other. */
export function* concat(...parts: (string | Iterable<string>)[]): Generator<string> {
  for (const part of parts) {
    if (typeof part === 'string') yield part
    else yield* part
  }
}

/** A feed that begins well and is blanks from then on, to the size given: with gzip a thousandth of it on the wire. */
export function blankFeed(bytes = Infinity): Iterable<string> {
  return concat(FEED_HEAD, repeat(' ', bytes))
}

export const HTML_PAGE =
  '<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body><p>Back soon.</body></html>\n'
export const XHTML_PAGE =
  '<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Oh</title></head><body/></html>\n'
