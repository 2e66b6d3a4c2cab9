// Beside each file of the console the same, compressed: the server sends that to whoever takes it.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, constants } from 'node:zlib'

const assets = new URL('../dist/assets/', import.meta.url)
for (const name of readdirSync(assets).filter((name) => /\.(js|css|svg)$/.test(name))) {
  const content = readFileSync(new URL(name, assets))
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length }
  writeFileSync(new URL(`${name}.br`, assets), brotliCompressSync(content, { params }))
}
