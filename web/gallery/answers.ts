/** What the API would answer: people, keys and sessions that are always the same. */

import type { components } from "../src/api/schema";

type Schemas = components["schemas"];

export const ME = { id: 1, name: "Ann Kim" };
export const LONG_NAME = "Wolfeschlegelsteinhausenbergerdorff Konstantinopolitanskaya";
/** It begins from right to left by an invisible mark, so that no font of the machine is needed. */
export const RTL = "\u200f";

export const PEOPLE: Schemas["UserPage"]["users"] = [
  { id: 2, name: "Boris Gray", followed: true },
  { id: 3, name: "Вера Соколова", followed: false },
  { id: 4, name: LONG_NAME, followed: false },
  { id: 5, name: `${RTL}Mona Haddad`, followed: true },
  { ...ME, followed: false },
];

const keys: Schemas["KeyView"][] = [
  {
    id: 1,
    name: "Reports",
    scope: "read",
    begins_with: "wrb_4Hk2",
    created_at: "2026-10-01T09:00:00Z",
    expires_at: "2027-01-01T09:00:00Z",
    used_at: "2026-11-29T10:00:00Z",
  },
  {
    id: 2,
    name: "",
    scope: "account",
    begins_with: "wrb_9Zq7",
    created_at: "2026-09-01T09:00:00Z",
    expires_at: null,
    used_at: null,
  },
];

const sessions: Schemas["UserSessionView"][] = [
  {
    id: 1,
    client: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
    created_at: "2026-11-20T09:00:00Z",
    used_at: "2026-11-29T11:55:00Z",
    expires_at: "2026-12-20T09:00:00Z",
    current: true,
  },
  {
    id: 2,
    client: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
    created_at: "2026-11-01T09:00:00Z",
    used_at: "2026-11-28T09:00:00Z",
    expires_at: "2026-12-01T09:00:00Z",
    current: false,
  },
];

const ANSWERS: [RegExp, object][] = [
  [
    /\/users\/me$/,
    {
      user: {
        ...ME,
        followed: false,
        followers: [],
        following: [],
        follower_count: 3,
        following_count: 2,
      },
      administrator: true,
      may_rename: true,
    },
  ],
  [/\/sessions$/, { sessions }],
  [/\/keys$/, { keys }],
  [/\/users\?|\/likes\?|\/follow(ers|ing)\?/, { users: PEOPLE, next_cursor: null }],
  [/\/tags\?/, { tags: [] }],
  [/\/tweets/, { tweets: [], next_cursor: null }],
];

export async function answer(input: RequestInfo | URL): Promise<Response> {
  const body = ANSWERS.find(([path]) => path.test(String(input)))?.[1];
  return body
    ? Response.json({ result: true, ...body })
    : Response.json({ result: false, error_type: "NotFound", error_message: "" }, { status: 404 });
}
