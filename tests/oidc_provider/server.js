// A real OpenID Connect provider for tests: https://github.com/panva/node-oidc-provider
//
// Its one argument is JSON: the issuer, the port, the registered client, and the file for the key
// that signs tokens. Everybody may sign in, with any name and any password.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import Provider from "oidc-provider";

const { issuer, port, client, keyFile } = JSON.parse(process.argv[2]);

// The key outlives this process: Warble fetches new keys once a minute at most.
if (!existsSync(keyFile)) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig" };
  writeFileSync(keyFile, JSON.stringify(key), { mode: 0o600 });
}

const provider = new Provider(issuer, {
  clients: [client],
  jwks: { keys: [JSON.parse(readFileSync(keyFile, "utf8"))] },
  cookies: { keys: [randomUUID()] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], profile: ["name"], groups: ["groups"] },
  findAccount: (_, accountId) => ({
    accountId,
    claims: () => ({ sub: accountId, name: accountId, groups: ["staff"] }),
  }),
  features: { backchannelLogout: { enabled: true } },
  // Without the dispatcher that refuses addresses of this machine.
  fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
});
provider.on("backchannel.error", (_, error) => console.error(error.message));
provider.on("server_error", (_, error) => console.error(error));
provider.listen(port, "127.0.0.1");
