// As on a machine whose clock was set wrong: all that says what time it is is wrong by so much, and what only says how
// much time has passed is right.
const shift = Number(process.env.TEST_CLOCK_SHIFT_MS)
const TrueDate = Date

globalThis.Date = new Proxy(TrueDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [TrueDate.now() + shift] : args, newTarget),
  apply: () => new TrueDate(TrueDate.now() + shift).toString(),
  get: (target, key) => (key === 'now' ? () => TrueDate.now() + shift : Reflect.get(target, key))
})
Object.defineProperty(TrueDate.prototype, 'constructor', { value: globalThis.Date })
