import { type TSchema, Type } from '@sinclair/typebox'

export const OrNull = <T extends TSchema>(schema: T, description: string | undefined = schema.description) =>
  Type.Union([schema, Type.Null()], description === undefined ? {} : { description })
