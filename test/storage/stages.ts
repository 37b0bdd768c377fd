interface Stage {
  stage: string
  indexName?: string
  inputStage?: Stage
  inputStages?: Stage[]
}

/** The stages of a plan of MongoDB's, whatever stands over whatever. */
export function flattenStages(stage: Stage): Stage[] {
  const inputs = [stage.inputStage, ...(stage.inputStages ?? [])].filter((one) => one !== undefined)
  return [stage, ...inputs.flatMap(flattenStages)]
}
