// The command line of `npm run bench`: what it may say, and what is said about what it may not.
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';

/** Where the report belongs. */
const REPORT_FILE = 'bench/REPORT.md';

/** What a run was asked for. */
export interface Arguments {
  /** Names of workloads, or of their families (`concurrency` for `concurrency/64`); all when there are none. */
  readonly only: readonly string[];
  /** Length of a round of one peer, in s. */
  readonly seconds: number;
  readonly rounds: number;
  /** Callers at a time, where the workload does not say it. */
  readonly callers: number;
  readonly json: string | undefined;
  readonly report: string | undefined;
}

/** An option that cannot be obeyed; the message is one line: the option, the rule, the mend. */
export class ArgumentError extends Error {}

const OPTIONS = {
  only: { type: 'string' },
  seconds: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '3' },
  callers: { type: 'string', default: '64' },
  json: { type: 'string' },
  report: { type: 'string' },
} as const;

function wholeNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value;
  throw new ArgumentError(
    `--${option} ${text}: must be a whole number from 1 to ${max}. Say --${option} 3, for one, or leave it out.`,
  );
}

function secondsOf(text: string): number {
  const value = Number(text);
  if (/^\d*\.?\d+$/.test(text) && value >= 0.01 && value <= 600) return value;
  throw new ArgumentError(
    `--seconds ${text}: must be a number from 0.01 to 600. Say --seconds 1, or leave it out.`,
  );
}

/** True for a workload's name, and for the part of it before the slash. */
export function isNamedBy(workload: string, wanted: string): boolean {
  return workload === wanted || workload.startsWith(`${wanted}/`);
}

function onlyOf(text: string | undefined, workloads: readonly string[]): string[] {
  if (text === undefined) return [];
  const wanted = text.split(',').map((name) => name.trim());
  const unknown = wanted.find((name) => !workloads.some((known) => isNamedBy(known, name)));
  if (unknown === undefined) return wanted;
  const families = [...new Set(workloads.map((name) => name.split('/')[0]))].join(', ');
  throw new ArgumentError(
    `--only ${text}: "${unknown}" is no workload. Choose among ${families}, separated by commas.`,
  );
}

/** A file that can be written, found out before a run of minutes and not after it. */
function fileOf(option: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const folder = dirname(path);
  if (path !== '' && existsSync(folder) && statSync(folder).isDirectory()) {
    if (!existsSync(path) || statSync(path).isFile()) return path;
  }
  throw new ArgumentError(
    `--${option} ${path}: must be a file in a folder that exists. Make the folder, or name another file.`,
  );
}

/** `--report` without a file means the one in the repository. */
function withReportFile(args: readonly string[]): string[] {
  return args.flatMap((arg, index) => {
    const next = args[index + 1];
    const isBare = arg === '--report' && (next === undefined || next.startsWith('--'));
    return isBare ? [arg, REPORT_FILE] : [arg];
  });
}

/**
 * Reads the command line.
 * @param workloads names of all workloads
 * @throws ArgumentError
 */
export function readArguments(args: readonly string[], workloads: readonly string[]): Arguments {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(withReportFile(args));
  } catch (error) {
    const [rule = ''] = (error as Error).message.split(/\.?\s*(?:\n|To specify)/);
    const known = Object.keys(OPTIONS).map((option) => `--${option}`);
    throw new ArgumentError(`${rule}. The options are ${known.join(', ')}.`);
  }
  return {
    only: onlyOf(values.only, workloads),
    seconds: secondsOf(values.seconds),
    rounds: wholeNumber('rounds', values.rounds, 1_000),
    callers: wholeNumber('callers', values.callers, 2_000),
    json: fileOf('json', values.json),
    report: fileOf('report', values.report),
  };
}

function parse(args: string[]) {
  return parseArgs({ args, options: OPTIONS }).values;
}
