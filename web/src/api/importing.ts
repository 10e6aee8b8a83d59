/** The calls for importing people from a file. */

import { call, query } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type ImportRow = Schemas["ImportedRowView"];
export type Imported = Schemas["ImportResponse"];

/** What the rows of the file would do; with the digest of that, it is done. */
export const importPeople = (file: Blob, digest: string | null) =>
  call<Imported>(
    "POST",
    `/people/import${query({ apply: digest && "true", digest })}`,
    new Blob([file], { type: "text/csv" }),
  );
