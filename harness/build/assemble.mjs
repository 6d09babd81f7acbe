// Assembles src/arch/isa.wat into src/arch/isa-bytes.ts, a module with the bytes inlined, so that every host can load it without a file.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';

const path = (name) => fileURLToPath(new URL(`../../src/arch/${name}`, import.meta.url));
const tools = await wabt();
const parsed = tools.parseWat('isa.wat', readFileSync(path('isa.wat'), 'utf8'), {
  threads: true,
  sat_float_to_int: true,
});
const { buffer } = parsed.toBinary({});
const lines =
  Buffer.from(buffer)
    .toString('base64')
    .match(/.{1,100}/g) ?? [];
const text = `/** The bytes of isa.wat, assembled by harness/build/assemble.mjs at build time. */
export const isaBytes: string =
${lines.map((line) => `  '${line}'`).join(' +\n')};
`;
const target = path('isa-bytes.ts');
let before = '';
try {
  before = readFileSync(target, 'utf8');
} catch {
  // First build.
}
if (before !== text) writeFileSync(target, text);
