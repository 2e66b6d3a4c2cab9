// oidc-provider as the comparison runs it: its own in-memory adapter, one ES256 key, access tokens that are signed JWTs, and a
// password grant, made as its documentation says that others are made. Settings come from the environment; the key is new at each
// start. Once it listens, its address is printed.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Algorithm, hash, verify } from '@node-rs/argon2';
import Provider, { errors } from 'oidc-provider';

const { PORT, CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD } = process.env;
const issuer = `http://127.0.0.1:${PORT}`;
const cost = { algorithm: Algorithm.Argon2id, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };
const people = new Map([[USERNAME, { id: 'user-1', hash: await hash(PASSWORD, cost) }]]);
const nobody = await hash('nobody knows this one', cost);

// Tokens for the API are JWTs; those for `/opaque` are not: this provider introspects no JWTs.
const api = `${issuer}/api`;
const opaque = `${issuer}/opaque`;
const server = (accessTokenFormat) => ({
  scope: 'read', audience: api, accessTokenFormat, jwt: { sign: { alg: 'ES256' } },
});
const servers = { [api]: server('jwt'), [opaque]: server('opaque') };

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const provider = new Provider(issuer, {
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    grant_types: ['client_credentials', 'password'],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: 'ES256',
  }],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'one' }] },
  cookies: { keys: ['there are no cookies here'] },
  scopes: ['read'],
  ttl: { AccessToken: 4 * 60 * 60, ClientCredentials: 4 * 60 * 60 },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_, client, token) => client.clientId === token.clientId },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      getResourceServerInfo: (_, resource) => {
        if (!Object.hasOwn(servers, resource)) throw new errors.InvalidTarget();
        return servers[resource];
      },
    },
  },
});

provider.registerGrantType('password', async (ctx) => {
  const { client, params } = ctx.oidc;
  const person = people.get(params.username);
  const right = await verify(person?.hash ?? nobody, params.password ?? '');
  if (!person || !right) throw new errors.InvalidGrant('wrong name or password');
  const token = new provider.AccessToken({ accountId: person.id, client, gty: 'password', scope: 'read' });
  token.resourceServer = new provider.ResourceServer(api, servers[api]);
  ctx.oidc.entity('AccessToken', token);
  ctx.body = { access_token: await token.save(), expires_in: token.expiration, token_type: token.tokenType, scope: token.scope };
}, ['username', 'password', 'scope']);

createServer(provider.callback()).listen(Number(PORT), '127.0.0.1', () => console.log(issuer));
