/** What may stand in an experiment, for a person to read: its schema, a line a field. */
import { EXPERIMENT_SCHEMA, type FieldSchema, isSize } from './schema.js';
import { sizeText } from './variants.js';

const NAME_COLUMNS = 23;
const DEFAULT_COLUMNS = 9;

/** That has the fields below one: the object, or those in a list. */
const objectOf = (schema: FieldSchema): FieldSchema => schema.items ?? schema;

function fallbackText(schema: FieldSchema, isRequired: boolean): string {
  const { default: fallback, properties } = schema;
  if (isRequired) return 'required';
  // What is left out as a whole has the defaults of its fields.
  if (fallback === undefined || (properties !== undefined && fallback !== null)) return '';
  if (isSize(schema) && typeof fallback === 'number' && fallback > 0) return sizeText(fallback);
  return typeof fallback === 'string' ? fallback : JSON.stringify(fallback);
}

/** Name, default or "required", meaning; what is in a field is below it, further in. */
export const experimentFieldLines = (): string[] => fieldLines(EXPERIMENT_SCHEMA as FieldSchema, 0);

function fieldLines(schema: FieldSchema, depth: number): string[] {
  const { properties = {}, required = [] } = objectOf(schema);
  return Object.entries(properties).flatMap(([name, field]) => {
    const term = `${'  '.repeat(depth)}${name}`.padEnd(NAME_COLUMNS);
    const fallback = fallbackText(field, required.includes(name)).padEnd(DEFAULT_COLUMNS);
    return [`${term} ${fallback} ${field.description ?? ''}`, ...fieldLines(field, depth + 1)];
  });
}
