/*
 * Shows an offline page when the browser cannot load a page of Warble. It caches nothing, neither files nor
 * API responses, so that nobody sees an old script or another person's tweets. If this file is missing on the
 * server, the service worker unregisters itself at the next visit.
 */

/** Paths that are not pages. A download must fail instead of saving the offline page. */
const NOT_PAGES = /^\/(api|uploads|docs|health|openapi\.json)(\/|$)/;

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  // The browser requests the page at once instead of waiting until this script has started.
  event.waitUntil(self.registration.navigationPreload?.enable());
});

self.addEventListener("fetch", (event) => {
  if (event.request.mode === "navigate") event.respondWith(loadPage(event));
});

async function loadPage(event) {
  try {
    const response = (await event.preloadResponse) ?? (await fetch(event.request));
    event.waitUntil(unregisterIfRemoved());
    return response;
  } catch (error) {
    if (NOT_PAGES.test(new URL(event.request.url).pathname)) throw error;
    return offlinePage();
  }
}

/** Browsers do not remove a service worker whose file is missing on the server. */
async function unregisterIfRemoved() {
  const { status } = await fetch(self.location.href, { method: "HEAD", cache: "no-store" });
  if (status === 404) await self.registration.unregister();
}

function offlinePage() {
  const nonce = crypto.randomUUID();
  return new Response(PAGE.replaceAll("NONCE", nonce), {
    status: 503,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy":
        `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}';` +
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  });
}

const PAGE = `<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Warble</title>
<style nonce="NONCE">
:root {
  color-scheme: light dark;
  font: 1rem/1.5 system-ui, sans-serif;
  color: light-dark(#1c1f1a, #eceee6);
  background: light-dark(#f4f4ee, #0f110d);
}
:root[data-theme="light"] { color-scheme: light }
:root[data-theme="dark"] { color-scheme: dark }
body { margin: 0 }
main { display: grid; gap: 0.75rem; justify-items: center; padding: 20vh 1.5rem 2rem; text-align: center }
svg { width: 4rem }
svg rect, svg circle { fill: #f6c927 }
svg path { fill: #1c1f1a }
h1 { margin: 0; font-size: 1.3rem; line-height: 1.2 }
p { margin: 0 0 0.75rem; max-width: 28rem; color: light-dark(#5b6056, #a3a89b) }
button {
  min-height: 2.75rem;
  padding: 0 1.25rem;
  border: 0;
  border-radius: 2rem;
  font: inherit;
  font-weight: 600;
  color: #1c1f1a;
  background: #f6c927;
  cursor: pointer;
}
button:focus-visible { outline: 2px solid light-dark(#1c1f1a, #f4cd42); outline-offset: 2px }
</style>
</head>
<body>
<main>
<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="9"/><path d="M6.2 24.6c2.7-.5 4.3-1.9 5.2-4.1.3-4.3.5-6.4 1.9-8.6a6.3 6.3 0 0 1 11-.3l2.9 1.3-2.5 1.3c.3 6.6-3.6 11.7-10.3 11.7-3.1 0-5.8-.4-8.2-1.3z"/><circle cx="20.3" cy="12.3" r="1.2"/></svg>
<h1></h1>
<p></p>
<button type="button"></button>
</main>
<script nonce="NONCE">
const TEXTS = {
  en: {
    offline: "You're offline",
    unreachable: "Can't reach Warble",
    hint: "Warble opens by itself as soon as the connection is back.",
    tryAgain: "Try again",
  },
  ru: {
    offline: "Нет связи",
    unreachable: "Warble не отвечает",
    hint: "Warble откроется сам, как только связь восстановится.",
    tryAgain: "Попробовать ещё раз",
  },
};

function getStored(name) {
  try {
    return localStorage.getItem("warble." + name);
  } catch {
    return null;
  }
}

const browserLanguage = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in TEXTS);
const language = getStored("language") in TEXTS ? getStored("language") : (browserLanguage ?? "en");
const texts = TEXTS[language];
document.documentElement.lang = language;
document.documentElement.dataset.theme = getStored("theme") ?? "system";
const [heading, hint, button] = document.querySelectorAll("h1, p, button");
heading.textContent = navigator.onLine ? texts.unreachable : texts.offline;
hint.textContent = texts.hint;
button.textContent = texts.tryAgain;
button.onclick = () => location.reload();

/** Checks the server itself, because it may be down while the device is online. */
async function reloadWhenReachable() {
  try {
    const { ok } = await fetch(location.href, { method: "HEAD", cache: "no-store" });
    if (ok) location.reload();
  } catch {
    return;
  }
}

addEventListener("online", reloadWhenReachable);
setInterval(reloadWhenReachable, 5000);
</script>
</body>
</html>
`;
