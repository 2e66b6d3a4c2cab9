// better-auth as the comparison runs it: its OAuth provider on SQLite, keys and access tokens of ES256. `setup` makes the tables,
// a person and that person's clients, and prints what signs them in; without it, it serves, and prints its address.
import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { oauthProvider } from '@better-auth/oauth-provider';
import { Algorithm, hash, verify } from '@node-rs/argon2';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';

const { PORT, DATABASE, SECRET, CLIENTS, EMAIL, PASSWORD } = process.env;
const base = `http://127.0.0.1:${PORT}`;
const cost = { algorithm: Algorithm.Argon2id, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };

const database = new DatabaseSync(DATABASE);
database.exec('PRAGMA journal_mode = WAL');

const options = {
  baseURL: base,
  secret: SECRET,
  database,
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  emailAndPassword: {
    enabled: true,
    password: { hash: (password) => hash(password, cost), verify: (kept) => verify(kept.hash, kept.password) },
  },
  plugins: [
    jwt({ jwks: { keyPairConfig: { alg: 'ES256' } }, disableSettingJwtHeader: true }),
    oauthProvider({
      loginPage: '/sign-in',
      consentPage: '/consent',
      scopes: ['openid', 'read'],
      grantTypes: ['authorization_code', 'client_credentials'],
      resources: [`${base}/api`],
      enforcePerClientResources: false,
      clientPrivileges: () => true,
      silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
    }),
  ],
};

if (process.argv[2] === 'setup') {
  await (await getMigrations(options)).runMigrations();
  const { api } = betterAuth(options);
  const signedUp = await api.signUpEmail({ body: { email: EMAIL, password: PASSWORD, name: 'Ola' }, returnHeaders: true });
  const cookie = signedUp.headers.getSetCookie()[0].split(';')[0];
  const headers = new Headers({ cookie });
  const made = [];
  for (let number = 0; number < Number(CLIENTS); number += 1) {
    made.push(await api.adminCreateOAuthClient({
      headers,
      body: {
        client_name: `Client ${number}`,
        redirect_uris: ['https://shop.example.com/'],
        grant_types: ['authorization_code', 'client_credentials'],
        scope: 'read',
        client_credentials_scopes: ['read'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    }));
  }
  const { client_id, client_secret } = made[0];
  console.log(JSON.stringify({ client_id, client_secret, cookie }));
} else {
  createServer(toNodeHandler(betterAuth(options))).listen(Number(PORT), '127.0.0.1', () => console.log(base));
}
