import { hash } from 'node:crypto'

/** Of base64url: 132 bits. */
const LENGTH = 22
const SHORT = /^[\w.-]{1,40}$/

/** What stands for a text that can be long, in letters, digits and `_.-`. One that is short and of these stands for itself. */
export function digest(text: string): string {
  return SHORT.test(text) ? text : hash('sha256', text, 'base64url').slice(0, LENGTH)
}
