/** The texts of the first view in English. Every other language has the same keys. */

import { compact, plurals } from "./plurals";

const plural = plurals("en");
const list = new Intl.ListFormat("en-GB");

export const en = {
  tagline: "What your company is talking about.",

  // Navigation.
  home: "Home",
  people: "People",
  profile: "Profile",
  notifications: "Notifications",
  activity: "Activity",
  unread: (n: string) => `${n} unread`,
  settings: "Settings",
  administration: "Administration",
  close: "Close",
  cancel: "Cancel",
  signOut: "Sign out",
  skipToContent: "Skip to content",
  navigation: "Main",
  pageNotFound: "Page not found",
  pageNotFoundHint: "Check the address, or it may have been removed.",
  goHome: "Go to Home",

  // The feed.
  popular: "Popular",
  recent: "Latest",
  following: "Following",
  everyone: "Everyone",
  order: "Sort by",
  showTweetsFrom: "Show tweets from",
  showReplies: { conversations: "Conversations", none: "None", all: "All" },
  repliesHint: {
    conversations:
      "When people you follow reply to each other, you see the first tweet. Other replies are left out.",
    none: "Replies are left out.",
    all: "Nothing is left out.",
  },
  period: "Period",
  periods: { week: "This week", month: "This month", all: "All time" },
  conversation: (n: number, names: string[], others: number) => {
    const rest = others > 0 ? [plural(others, { one: "# other", other: "# others" })] : [];
    return `${plural(n, { one: "# reply", other: "# replies" })} from ${list.format([...names, ...rest])}`;
  },
  youInList: "you",
  followedTag: (tag: string) => `You follow #${tag}`,
  inReplyTo: (name: string) => `In reply to ${name}`,
  inReplyToDeleted: "In reply to a tweet that is gone",
  feedLabel: { following: "Tweets from people you follow", everyone: "All tweets" },
  newTweets: (n: number) =>
    n >= 20 ? "20+ new tweets" : plural(n, { one: "# new tweet", other: "# new tweets" }),
  loading: "Loading…",
  loadMore: "Load more",
  endOfFeed: "You're all caught up",
  emptyFollowing: "Follow people to see their tweets here",
  popularPeople: "Followed by many colleagues",
  emptyEveryone: "No tweets yet",
  fallbackHint: "You don't follow anyone yet, so here are everyone's tweets.",
  firstTweet: "Write the first tweet",
  suggestions: "Who to follow",
  allPeople: "Show all",
  showFeed: "Show my feed",
  showEveryone: "Show everyone's tweets",

  // Writing.
  write: "Write",
  writeTitle: "New tweet",
  writePrompt: "What's new?",
  post: "Post",
  posting: "Posting…",
  tweetPosted: "Tweet posted",
  replyTitle: "New reply",
  replyPrompt: "Write a reply",
  replyPosted: "Reply posted",
  personNumber: (id: number) => `No. ${id}`,
  ambiguousMention: (text: string) =>
    `Several people are called ${text.replace("@", "")}, so nobody was mentioned. Choose one from the list as you type.`,
  whoMayReply: "Who can reply",
  mayReply: { everyone: "Everyone", following: "People you follow", nobody: "Nobody" },
  viewTweet: "View",
  charactersLeft: (n: number) =>
    n >= 0
      ? plural(n, { one: "# character left", other: "# characters left" })
      : plural(-n, { one: "# character too many", other: "# characters too many" }),
  addPictures: "Add pictures",
  dropPictures: "Drop pictures here",
  removePicture: (n: number) => `Remove picture ${n}`,
  altLabel: (n: number) => `Description of picture ${n}`,
  altPrompt: "Describe this picture",
  pictureFailed: "Upload failed",
  pictureUploading: (percent: number) => `Uploading: ${percent}%`,
  pictureErrors: {
    type: "Only JPEG, PNG, WebP and GIF pictures can be added.",
    count: "You can add up to four pictures.",
  },
  firstFrameOnly: "This is an animated PNG: only its first frame is kept.",
  draftSaved: "Your draft is saved.",
  cancelPosting: "Cancel posting",

  // A tweet.
  reply: "Reply",
  replyCount: (n: number) => plural(n, { one: "# reply", other: "# replies" }),
  like: "Like",
  unlike: "Unlike",
  likes: (n: number) => plural(n, { one: "# like", other: "# likes" }),
  compact: compact("en"),
  likedBy: "Liked by",
  copyLink: "Copy link",
  linkCopied: "Link copied",
  moreActions: "More actions",
  delete: "Delete",
  deleted: "Tweet deleted",
  undo: "Undo",
  picture: (n: number, of: number) => `Picture ${n} of ${of}`,
  openPicture: (n: number, of: number) => `Open picture ${n} of ${of}`,
  longPicture: "Open the whole picture",
  pictureGone: "Couldn't load the picture",
  previous: "Previous picture",
  next: "Next picture",
  tweetBy: (name: string) => `Tweet by ${name}`,
  justNow: "now",

  // A conversation.
  back: "Back",
  replies: "Replies",
  replyBy: (name: string, to: string) => `Reply by ${name} to ${to}`,

  // Hashtags.
  tagsOfTheWeek: "Hashtags of the week",
  tweetCount: (n: number) => plural(n, { one: "# tweet", other: "# tweets" }),

  // People.
  follow: "Follow",
  unfollow: "Unfollow",
  followed: "Following",
  you: "You",
  followers: (n: number) => plural(n, { one: "# follower", other: "# followers" }),
  followingCount: (n: number) => `${n} following`,
  tweets: "Tweets",
  media: "Media",
  searchAll: "Search",
  searchTweets: (query: string) => `Search tweets for “${query}”`,
  noPeopleFound: (name: string) => `No one found for “${name}”`,
  findPeople: "Find people",
  editProfile: "Edit profile",
  name: "Name",

  // Settings.
  languageTitle: "Language",
  shortcuts: "Keyboard shortcuts",

  aboutWarble: "About",
  inviteAgain: "New invitation",

  // Errors.
  offline: "You're offline. What you see may be out of date.",
  unreachable: "Can't reach Warble",
  tryAgain: "Try again",
  failed: "Something went wrong",
  errors: {
    Offline: "You're offline. Try again when you're connected.",
    Unreadable: "Warble sent an unexpected reply. Try again in a moment.",
    ReadOnlyKey: "Your key is read-only.",
    SessionChanged: "Someone else has signed in in this browser.",
    NotSignedIn: "You've been signed out. Sign in again.",
    TweetNotFound: "This tweet was deleted.",
    NotAModerator: "Only moderators can do this.",
    NotAnAnnouncer: "Only people who may post announcements can do this.",
    RepliesRestricted: "The author has limited who can reply to this tweet.",
    MentionNotAccepted: "One of the people you mentioned has left. Choose the mentions again.",
    TooManyMentions: "This mentions too many people.",
    TweetAlreadyDeleted: "This tweet was posted and then deleted. Post again to make a new one.",
    TweetEmpty: "Write something first.",
    TweetTooLong: "The text is too long.",
    TextNotAccepted: "The text has characters that aren't allowed.",
    NotTheAuthor: "You can delete only your own tweets.",
    UserNotFound: "This profile is gone.",
    CannotFollowYourself: "You can't follow yourself.",
    MediaNotFound: "An uploaded picture expired. Press Post again to re-upload it.",
    MediaTaken: "A picture is already in another tweet. Add it again.",
    NotYourMedia: "Someone else uploaded one of these pictures. Add it again.",
    TooManyImages: "There are too many pictures.",
    ImageTooLarge: "This picture is too large.",
    ImageTooManyPixels: "This picture has too many pixels.",
    ImageTooManyFrames: "This animation has too many frames.",
    ImageTooCostly: "This picture is too complex. Try a smaller one.",
    ImageNotAccepted: "We can't open this file as a picture.",
    AltNotAccepted: "A picture's description is too long, or has characters that aren't allowed.",
    PayloadTooLarge: "This is too large to send.",
    InvalidRequest: "Warble didn't accept this. Check what you entered.",
    TooManyRequests: "A bit too fast. Try again in a moment.",
    RequestTimeout: "Sending took too long. Try again.",
    InternalError: "The problem is on our side. Try again in a moment.",
    BadGateway: "Part of Warble is having trouble. Try again in a moment.",
    ServiceUnavailable: "Part of Warble is down. Try again in a moment.",
    ServiceOverloaded: "Warble is very busy right now. Try again in a moment.",
    ServiceTimeout: "That took too long. Try again in a moment.",
  } as Record<string, string>,
};

export type Texts = typeof en;
