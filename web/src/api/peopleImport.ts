/** The calls for importing people from a file. */

import { call, queryString } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type ImportRow = Schemas["ImportedRowView"];
export type ImportResult = Schemas["ImportResponse"];

/** Without a digest, returns what the import would do. With the digest of that response, imports. */
export const importPeople = (file: Blob, digest: string | null) =>
  call<ImportResult>(
    "POST",
    `/people/import${queryString({ apply: digest && "true", digest })}`,
    new Blob([file], { type: "text/csv" }),
  );
