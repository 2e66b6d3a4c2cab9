// A real OpenID provider for tests. Its first line says where it listens. Whoever asks is logged in as the `login_hint` of the
// request; what it knows of people stands below.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const people = {
  ola: { email: 'ola@example.com', email_verified: true, name: 'Ola Nordmann' },
  liar: { email: 'ola@example.com', email_verified: false, name: 'Ola Nordmann' },
  kari: { email: 'kari@example.com', email_verified: true },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'shop-there',
      client_secret: 'a secret that only the two of us know',
      redirect_uris: ['https://shop.example/back?x=1'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    }],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: 'one' }] },
    cookies: { keys: ['cookies of a test'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    // Everybody has agreed to everything.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { params } = await provider.interactionDetails(ctx.req, ctx.res);
    const result = { login: { accountId: params.login_hint ?? 'ola' } };
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
  });
  server.on('request', provider.callback());
  console.log(JSON.stringify({ issuer }));
});
