// Who may import whom, checked by dependency-cruiser; and the rules themselves, checked on imports that break them.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { workspaceDir } from './library-source.js';

interface Violation {
  readonly from: string;
  readonly to: string;
  readonly rule: { readonly name: string };
}

/** Cruises a workspace; `rule: from -> to` per violation. */
function violations(dir: string, folders: readonly string[]): string[] {
  const program = join(workspaceDir, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [program, '--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
  const { stdout, stderr } = spawnSync(process.execPath, [...args, ...folders], {
    cwd: dir,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (!stdout) throw new Error(`dependency-cruiser answered nothing: ${stderr}`);
  const { summary } = JSON.parse(stdout) as { summary: { violations: Violation[] } };
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`);
}

it('keeps the floors: nothing upwards, no circle, stages and operations rooms strangers', () => {
  expect(violations(workspaceDir, ['libs/database/src', 'src'])).toEqual([]);
}, 60_000);

/** One file that breaks one rule: where it is, what it imports, the rule that must notice. */
const intruders = [
  ['kernel/a.ts', '../query/target.js', 'floor-kernel'],
  ['query/a.ts', '../driver/target.js', 'floor-query'],
  ['driver/a.ts', '../resilience/target.js', 'floor-driver'],
  ['resilience/a.ts', '../cache/target.js', 'floor-resilience'],
  ['cache/a.ts', '../pool/target.js', 'floor-cache'],
  ['pool/a.ts', '../routing/target.js', 'floor-pool'],
  ['routing/a.ts', '../transaction/target.js', 'floor-routing'],
  ['telemetry/a.ts', '../routing/target.js', 'floor-telemetry'],
  ['transaction/a.ts', '../driver/target.js', 'floor-transaction'],
  ['routing/routing.stage.ts', '../pool/pool.stage.js', 'stages-are-strangers-routing'],
  ['ops/health/a.ts', '../alerts/target.js', 'floor-ops-health'],
  ['ops/alerts/a.ts', '../../telemetry/target.js', 'floor-ops-alerts'],
  ['ops/capability.ts', '../pool/target.js', 'ops-floor'],
  ['ops/database-view.ts', '../driver/target.js', 'ops-view-of-snapshots'],
  ['annex/a.ts', '../kernel/target.js', 'room-is-on-a-floor'],
  ['pool/hall.ts', '../database.service.js', 'nothing-imports-the-hall'],
  ['pool/wire.ts', 'pg', 'only-driver-imports-pg'],
  ['pool/cursor.ts', 'pg-cursor', 'only-driver-imports-pg'],
  ['query/fingerprint.ts', 'libpg-query', 'only-classify-parses-sql'],
  ['routing/orm.ts', 'typeorm', 'only-typeorm-adapter-imports-typeorm'],
  ['database.module.ts', './pool/index.js', 'a-room-has-no-index'],
  ['pool/lost.ts', './nowhere.js', 'resolvable'],
  ['kernel/round.ts', './trip.js', 'no-circle'],
] as const;

describe('the floor rules', () => {
  const dir = mkdtempSync(join(tmpdir(), 'floors-'));
  const source = join(dir, 'libs/database/src');
  let found: string[] = [];

  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(source, file)), { recursive: true });
    writeFileSync(join(source, file), text);
  };

  beforeAll(() => {
    for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) {
      cpSync(join(workspaceDir, file), join(dir, file));
    }
    symlinkSync(join(workspaceDir, 'node_modules'), join(dir, 'node_modules'), 'dir');
    const rooms =
      'kernel query driver resilience cache pool routing transaction telemetry ops/alerts';
    for (const room of rooms.split(' ')) write(`${room}/target.ts`, 'export type Target = 1;\n');
    write('pool/pool.stage.ts', 'export type Target = 1;\n');
    write('pool/index.ts', 'export type Target = 1;\n');
    write('database.service.ts', 'export type Target = 1;\n');
    write(
      'kernel/trip.ts',
      "import type { Round } from './round.js';\nexport type Target = Round;\n",
    );
    for (const [file, target] of intruders) {
      const extra = file === 'kernel/round.ts' ? 'export type Round = 1;\n' : '';
      // TypeORM's types alone are harmless; every other rule counts types too.
      const keyword = target === 'typeorm' ? 'import' : 'import type';
      write(file, `${keyword} { Target } from '${target}';\nexport type Again = Target;\n${extra}`);
    }
    found = violations(dir, ['libs/database/src']);
  }, 60_000);

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it.each(intruders)('%s may not import %s: %s', (file, _target, rule) => {
    expect(
      found.filter((each) => each.startsWith(`${rule}: libs/database/src/${file} ->`)),
    ).toHaveLength(1);
  });
});
