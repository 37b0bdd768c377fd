import { expect, it } from 'vitest'
import { createPieceCutter, type Stretch } from '../../adapters/kit/cut-pieces.ts'
import { createRandom } from '../../bench/kit/random.ts'

const ELEMENTS = ['<base id="1"><a/></base>', '<base >x</base>', `<base id="2">${'y'.repeat(300)}</base>`]
const LONG = `<base id="3">${'z'.repeat(70_000)}</base>`

function cut(document: string, sizeOfNext: () => number): Stretch[] {
  const cutter = createPieceCutter('base')
  const stretches: Stretch[] = []
  for (let at = 0; at < document.length; ) {
    const size = sizeOfNext()
    stretches.push(...cutter.cut(document.slice(at, at + size)))
    at += size
  }
  const rest = cutter.rest()
  return rest === '' ? stretches : [...stretches, { text: rest, isPiece: false }]
}
const textOf = (stretches: Stretch[]) => stretches.map(({ text }) => text).join('')
const piecesOf = (stretches: Stretch[]) => stretches.filter(({ isPiece }) => isPiece).map(({ text }) => text)

it('elements are cut out whole, in whatever pieces the text comes, and nothing of it is lost', () => {
  const random = createRandom(1)
  const between = ['', '\n   ', 'text', '<other/>', '<based/>', '<bas']
  for (let round = 0; round < 300; round++) {
    const elements = Array.from({ length: random(9) }, () => ELEMENTS[random(ELEMENTS.length)]!)
    const document = `<r>${elements.map((element) => between[random(between.length)] + element).join('')}\n</r>`
    const most = 1 + random(400)
    const stretches = cut(document, () => 1 + random(most))
    expect(textOf(stretches)).toBe(document)
    expect(piecesOf(stretches)).toEqual(elements)
  }
})

it('one that is long, or has no end, is not cut out, and what follows it is', () => {
  const random = createRandom(2)
  for (const size of [1000, 64_000, 200_000]) {
    const document = `<r>${ELEMENTS[0]}${LONG}${ELEMENTS[1]}</r>`
    const stretches = cut(document, () => 1 + random(size))
    expect(textOf(stretches)).toBe(document)
    expect(piecesOf(stretches)).toEqual([ELEMENTS[0], ELEMENTS[1]])
    const endless = `<r>${ELEMENTS[0]}<base ${'z'.repeat(70_000)}`
    const rest = cut(endless, () => 1 + random(size))
    expect(textOf(rest)).toBe(endless)
    expect(piecesOf(rest)).toEqual([ELEMENTS[0]])
  }
})
