/** Stands in for the API: its answers are always the same. */

import type { components } from "../src/api/schema";

type Schemas = components["schemas"];

export const ME = { id: 1, name: "Ann Kim" };
export const LONG_NAME = "Wolfeschlegelsteinhausenbergerdorff Konstantinopolitanskaya";
/** An invisible mark makes a text right-to-left without letters that would need a font of this machine. */
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

const managed = (
  id: number,
  name: string,
  more: Partial<Schemas["DirectoryEntryView"]> = {},
): Schemas["DirectoryEntryView"] => ({
  id,
  name,
  title: null,
  department: null,
  about: null,
  external_id: null,
  administrator: false,
  roles: [],
  created_at: "2026-01-12T09:00:00Z",
  deactivated_at: null,
  erased_at: null,
  last_used_at: "2026-11-29T11:40:00Z",
  keys: 1,
  sessions: 2,
  identities: 0,
  ...more,
});

const people = [
  managed(1, "Ann Kim", { title: "Engineer", department: "Bridges", administrator: true }),
  managed(2, "Boris Gray", { department: "Press", roles: ["announcer", "moderator"] }),
  managed(4, LONG_NAME, { title: "Surveyor", keys: 0, sessions: 0, last_used_at: null }),
  managed(5, `${RTL}Mona Haddad`),
];

const acts = (
  [
    ["role_given", 2, "moderator"],
    ["tweet_hidden", 3, null],
    ["deactivated", 7, null],
  ] as const
).map(([deed, subject_id, role], number) => ({
  id: 9 - number,
  at: `2026-11-29T11:0${number}:00Z`,
  actor_id: number === 2 ? null : 1,
  deed,
  subject_id,
  object_id: deed === "tweet_hidden" ? 31 : null,
  role,
  request_id: null,
}));

const reported = (id: number, more: Partial<Schemas["ReportView"]>): Schemas["ReportView"] => ({
  id,
  reporter: { id: 3, name: "Вера Соколова" },
  user: { id: 2, name: "Boris Gray" },
  tweet: null,
  reason: "harassment",
  note: "",
  created_at: "2026-11-29T11:00:00Z",
  closed_at: null,
  closure_note: null,
  ...more,
});

const reportedTweet = {
  id: 31,
  content: "Buy now! Cheap bridges, only today.",
  attachments: [],
  created_at: "2026-11-29T10:00:00Z",
  hidden: false,
  deleted: false,
};

const reports = [
  reported(1, { tweet: reportedTweet, reason: "spam", note: "The third time this week." }),
  reported(2, { tweet: { ...reportedTweet, hidden: true }, reason: "confidential" }),
  reported(3, { user: { id: 4, name: LONG_NAME } }),
  reported(4, { tweet: { ...reportedTweet, content: "", deleted: true }, reason: "other" }),
];

const service: Schemas["ServiceHealth"] = {
  ready: true,
  unpublished: 0,
  oldest_unpublished_at: null,
  unhandled: 0,
  dead_letters: 0,
  consumers: 1,
};

const services = {
  users: service,
  tweets: { ...service, unpublished: 3, oldest_unpublished_at: "2026-11-29T11:50:00Z" },
  feed: { ...service, unhandled: 41, dead_letters: 2 },
  media: { ...service, ready: false, unhandled: null, dead_letters: null, consumers: null },
};

const announcement = (tweet_id: number, more: Partial<Schemas["AnnouncementView"]> = {}) => ({
  tweet_id,
  author: { id: 2, name: "Boris Gray" },
  created_at: "2026-11-29T10:00:00Z",
  until: "2026-12-04T17:00:00Z",
  acknowledge: true,
  acknowledged: false,
  ...more,
});

const announcements = [
  announcement(401),
  announcement(402, { acknowledge: false, author: { id: 4, name: LONG_NAME } }),
  announcement(403, { acknowledged: true }),
];

const announcedTweets = announcements.map(({ tweet_id: id, author, created_at }) => ({
  id,
  content: "The office moves on Friday.\nPack your desk by Thursday evening, please.",
  attachments: [],
  author,
  likes: [],
  created_at,
  stamp: created_at,
  media: [],
  reply_to: null,
  root_id: id,
  entities: [],
  reply_count: 0,
  like_count: 0,
  liked: false,
  conversation: null,
  followed_tag: null,
  in_reply_to: null,
}));

const ANSWERS: [RegExp, object][] = [
  [/\/sign-on$/, { providers: [], keys: true }],
  [/\/identities$/, { identities: [] }],
  [/\/people\?/, { people, next_cursor: null }],
  [/\/audit\?/, { acts, next_cursor: null }],
  [/\/reports\?/, { reports, next_cursor: null }],
  [/\/reports\/open$/, { count: 3 }],
  [/\/announcements$/, { announcements }],
  [/\/tweets\?ids=/, { tweets: announcedTweets }],
  [/\/api\/health$/, { healthy: false, broker: false, services }],
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
      moderator: true,
      announcer: true,
      may_rename: true,
      may_change_position: true,
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
