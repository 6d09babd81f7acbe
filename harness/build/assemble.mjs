// Assembles the .wat files into modules with the bytes inlined, so that every host can load them without a file.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';
import { hbWat } from './hb-wat.mjs';

const path = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const tools = await wabt();

function bytesOf(name, wat) {
  const parsed = tools.parseWat(name, wat, { threads: true, sat_float_to_int: true, simd: true });
  return Buffer.from(parsed.toBinary({}).buffer).toString('base64');
}

function literal(base64, indent) {
  const lines = base64.match(/.{1,100}/g) ?? [];
  return lines.map((line) => `${indent}'${line}'`).join(' +\n');
}

function put(file, text) {
  let before = '';
  try {
    before = readFileSync(path(file), 'utf8');
  } catch {
    // First build.
  }
  if (before !== text) writeFileSync(path(file), text);
}

const isa = bytesOf('isa.wat', readFileSync(path('src/arch/isa.wat'), 'utf8'));
put(
  'src/arch/isa-bytes.ts',
  `/** The bytes of isa.wat, assembled by harness/build/assemble.mjs at build time. */
export const isaBytes: string =
${literal(isa, '  ')};
`,
);

const rooms = [2, 4, 8, 16].map(
  (room) => `  ${room}:
${literal(bytesOf(`hb-${room}.wat`, hbWat(room)), '    ')},`,
);
put(
  'harness/engines/traced/hb-bytes.ts',
  `/** The bytes of harness/build/hb-wat.mjs by the CPUs that they have room for, assembled by harness/build/assemble.mjs at build time. */
export const hbBytes: Readonly<Record<number, string>> = {
${rooms.join('\n')}
};
`,
);
