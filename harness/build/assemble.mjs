// Assembles the .wat files into modules with the bytes inlined, so that every host can load them without a file.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';

const MODULES = [
  { wat: 'src/arch/isa.wat', to: 'src/arch/isa-bytes.ts', name: 'isaBytes' },
  { wat: 'harness/engines/traced/hb.wat', to: 'harness/engines/traced/hb-bytes.ts', name: 'hbBytes' },
];

const path = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const tools = await wabt();

for (const { wat, to, name } of MODULES) {
  const file = wat.split('/').at(-1);
  const parsed = tools.parseWat(file, readFileSync(path(wat), 'utf8'), {
    threads: true,
    sat_float_to_int: true,
    simd: true,
  });
  const { buffer } = parsed.toBinary({});
  const lines =
    Buffer.from(buffer)
      .toString('base64')
      .match(/.{1,100}/g) ?? [];
  const text = `/** The bytes of ${file}, assembled by harness/build/assemble.mjs at build time. */
export const ${name}: string =
${lines.map((line) => `  '${line}'`).join(' +\n')};
`;
  const target = path(to);
  let before = '';
  try {
    before = readFileSync(target, 'utf8');
  } catch {
    // First build.
  }
  if (before !== text) writeFileSync(target, text);
}
