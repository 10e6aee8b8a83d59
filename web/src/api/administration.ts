/** The calls of the administration. Fetched after the first script. */

import { call, queryString, type Page } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];

export const ROLES = ["administrator", "moderator", "announcer"] as const;
export type Role = (typeof ROLES)[number];
export const STATES = ["active", "deactivated", "erased"] as const;
export type State = (typeof STATES)[number];

export type ManagedPerson = Schemas["DirectoryEntryView"];

export const linkIdentity = (id: number, provider: string, subject: string) =>
  call("PUT", `/users/${id}/identities/${encodeURIComponent(provider)}`, { subject });

export const unlinkIdentity = (id: number, provider: string) =>
  call("DELETE", `/users/${id}/identities/${encodeURIComponent(provider)}`);

export type Health = Schemas["HealthOverview"];
export const health = () => call<Health>("GET", "/health");

export interface PeopleFilter {
  query: string;
  state: State;
  role: Role | "";
}

export async function people(
  { query: wanted, state, role }: PeopleFilter,
  cursor: string | null,
): Promise<Page<ManagedPerson>> {
  const page = await call<Schemas["DirectoryPage"]>(
    "GET",
    `/people${queryString({ query: wanted, state, role: role || null, cursor, limit: 50 })}`,
  );
  return { items: page.people, cursor: page.next_cursor };
}

/** Includes deactivated and erased people; null if nobody has the number. */
export async function person(id: number): Promise<ManagedPerson | null> {
  return (await findPerson(id, null)) ?? (await findPerson(id, "erased"));
}

/** A search for the number also finds names that contain it. The result is sorted by number, descending. */
async function findPerson(id: number, state: State | null): Promise<ManagedPerson | null> {
  let cursor: string | null = null;
  do {
    const page: Schemas["DirectoryPage"] = await call(
      "GET",
      `/people${queryString({ query: String(id), state, cursor, limit: 100 })}`,
    );
    const found = page.people.find((each) => each.id === id);
    if (found) return found;
    cursor = page.people.some((each) => each.id < id) ? null : page.next_cursor;
  } while (cursor !== null);
  return null;
}

/** Registers a person. Only this response contains the key. */
export const register = (name: string) =>
  call<{ user_id: number; api_key: string }>("POST", "/users", { name });

export const changeProfile = (
  id: number,
  profile: { name: string; title: string | null; department: string | null },
) => call("PATCH", `/users/${id}`, profile);

export const setRole = (id: number, role: Role, on: boolean) =>
  call(
    on ? "PUT" : "DELETE",
    role === "administrator" ? `/users/${id}/administrator` : `/users/${id}/roles/${role}`,
  );

export const revokeAllKeys = (id: number) => call("DELETE", `/users/${id}/key`);
export const deactivate = (id: number) => call("DELETE", `/users/${id}`);
export const reactivate = (id: number) => call("POST", `/users/${id}/reactivation`);

export type AuditEntry = Schemas["AuditEntryView"];

/** The fields of the form. Empty fields do not filter; days are in the time zone of this device. */
export interface AuditFilter {
  action: string;
  actor: string;
  subject: string;
  since: string;
  until: string;
}

/** The beginning of a day in the time zone of this device, plus a number of days. */
function startOf(day: string, plusDays = 0): string {
  const start = new Date(`${day}T00:00`);
  start.setDate(start.getDate() + plusDays);
  return start.toISOString();
}

export async function audit(filter: AuditFilter, cursor: string | null): Promise<Page<AuditEntry>> {
  const { action, actor, subject, since, until } = filter;
  const page = await call<Schemas["AuditPage"]>(
    "GET",
    `/audit${queryString({
      action: action || null,
      actor: actor || null,
      subject: subject || null,
      since: since ? startOf(since) : null,
      until: until ? startOf(until, 1) : null,
      cursor,
      limit: 50,
    })}`,
  );
  return { items: page.acts, cursor: page.next_cursor };
}
