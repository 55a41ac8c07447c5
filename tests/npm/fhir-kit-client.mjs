// fhir-kit-client, unchanged: one walk through its whole interface; what each step answered comes back.
import { Client } from "fhir-kit-client";

const SYSTEM = "urn:fhir-kit-client";
const organization = (mark, more = {}) => ({
  resourceType: "Organization",
  identifier: [{ system: SYSTEM, value: mark }],
  name: `Clinic ${mark}`,
  active: true,
  ...more,
});
const post = (resource, more = {}) => ({ resource, request: { method: "POST", url: resource.resourceType, ...more } });
const status = async (asked) => {
  try {
    await asked;
  } catch (wrong) {
    return [wrong.response.status, wrong.response.data.resourceType];
  }
  return [200, ""];
};

export default async ({ baseUrl, token, mark, when }) => {
  const client = new Client({ baseUrl, bearerToken: token });
  const resourceType = "Organization";
  const statement = await client.capabilityStatement();
  const created = await client.create({ resourceType, body: organization(mark) });
  const { id } = created;
  const ifNoneExist = { headers: { "If-None-Exist": `identifier=${SYSTEM}|${mark}` } };
  const same = await client.create({ resourceType, body: organization(mark), options: ifNoneExist });
  const read = await client.read({ resourceType, id });
  const updated = await client.update({ resourceType, id, body: { ...read, alias: ["first"] } });
  const stale = await status(
    client.update({ resourceType, id, body: read, options: { headers: { "If-Match": 'W/"1"' } } }),
  );
  const byCriteria = await client.update({
    resourceType,
    searchParams: { identifier: `${SYSTEM}|${mark}` },
    body: organization(mark, { alias: ["second"] }),
  });
  const jsonPatch = [{ op: "replace", path: "/alias/0", value: "third" }];
  const patched = await client.patch({ resourceType, id, jsonPatch });
  const first = await client.vread({ resourceType, id, version: "1" });
  const history = await client.history({ resourceType, id });
  const typeHistory = await client.history({ resourceType });
  const systemHistory = await client.history();

  const transaction = await client.transaction({
    body: {
      resourceType: "Bundle",
      type: "transaction",
      entry: [0, 1, 2].map((n) =>
        post(organization(`${mark}-${n}`, { partOf: { reference: `Organization?identifier=${SYSTEM}|${mark}` } })),
      ),
    },
  });
  const batch = await client.batch({
    body: {
      resourceType: "Bundle",
      type: "batch",
      entry: [
        { request: { method: "GET", url: `Organization/${id}` } },
        { request: { method: "GET", url: "Organization/nobody-at-all" } },
        post({ resourceType: "Organization", name: ["wrong"] }),
      ],
    },
  });
  const searchParams = { "partof.identifier": `${SYSTEM}|${mark}`, _count: 2, _sort: "name" };
  const page = await client.search({ resourceType, searchParams });
  const next = await client.nextPage({ bundle: page });
  const form = await client.search({ resourceType, searchParams, options: { postSearch: true } });
  const included = await client.search({
    resourceType,
    searchParams: { identifier: `${SYSTEM}|${mark}-0`, _include: "Organization:partof" },
  });
  const resolved = await client.resolve({ reference: `Organization/${id}` });
  const validated = await client.operation({ name: "validate", resourceType, input: organization("x") });
  const found = await client.operation({ name: "find", resourceType: "Appointment", method: "GET", input: when });
  const removed = await client.delete({ resourceType, id: transaction.entry[0].response.location.split("/").at(-3) });
  const gone = await status(client.read({ resourceType, id: transaction.entry[0].response.location.split("/").at(-3) }));
  const absent = await status(client.read({ resourceType, id: "nobody-at-all" }));
  const unknown = await status(client.search({ resourceType, searchParams: { colour: "red" } }));
  const names = (bundle) => bundle.entry.map((entry) => entry.resource.name);
  return {
    fhirVersion: statement.fhirVersion,
    created: created.meta.versionId,
    same: same.id === id,
    updated: [updated.meta.versionId, stale, byCriteria.id === id, patched.alias],
    first: [first.meta.versionId, first.alias ?? null],
    histories: [history.total, typeHistory.entry.length > 3, systemHistory.type],
    transaction: transaction.entry.map((entry) => entry.response.status.slice(0, 3)),
    batch: batch.entry.map((entry) => entry.response.status.slice(0, 3)),
    pages: [names(page), names(next), names(form).length],
    included: included.entry.map((entry) => entry.search.mode),
    resolved: resolved.id === id,
    validated: validated.resourceType,
    found: [found.resourceType, found.type],
    removed: removed.resourceType ?? "",
    refusals: [gone, absent, unknown],
  };
};
