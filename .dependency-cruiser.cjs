// The floors of the library: which room may import which. Every rule is an error; type imports count too.
const source = '^libs/database/src/';
const spec = '\\.(e2e-)?spec\\.ts$';

/** What the operations rooms share: the shape of a room, its own session, and the view of the running database. */
const opsShared = ['ops/capability', 'ops/ops-session', 'ops/database-view'];

/** Operations rooms that meet only through events and snapshots. */
const opsRooms = [
  'health',
  'endpoints',
  'alerts',
  'tuning',
  'timeseries',
  'backup',
  'archive',
  'dashboard',
];

/**
 * What each room may import besides itself. Rooms that are not listed may not import the library at all, so a new room has to
 * be entered here.
 */
const floors = {
  kernel: [],
  query: ['kernel/'],
  driver: ['query/', 'kernel/'],
  resilience: ['query/', 'kernel/'],
  cache: ['query/', 'kernel/'],
  pool: ['driver/', 'query/', 'kernel/'],
  routing: ['pool/', 'query/', 'kernel/'],
  telemetry: ['pool/pool-stats', 'query/', 'kernel/'],
  notifications: [
    'routing/(ask|pooling)',
    'resilience/backoff',
    'driver/driver',
    'query/',
    'kernel/',
  ],
  transaction: [
    'routing/',
    'resilience/(retry|resilience.options)',
    'pool/(lease|borrow-sampler)',
    'query/',
    'kernel/',
  ],
  adapters: ['transaction/', 'routing/', 'pool/', 'query/', 'kernel/'],
  embedded: ['driver/', 'query/', 'kernel/'],
  ...Object.fromEntries(opsRooms.map((room) => [`ops/${room}`, [...opsShared, 'kernel/']])),
  'ops/monitor': [...opsShared, 'telemetry/', 'kernel/'],
};

const floorRules = Object.entries(floors).map(([room, below]) => ({
  name: `floor-${room.replace('/', '-')}`,
  comment: `${room}/ may import only itself${below.map((name) => `, ${name}`).join('')}`,
  severity: 'error',
  from: { path: `${source}${room}/`, pathNot: spec },
  to: {
    path: source,
    pathNot: [`${source}${room}/`, ...below.map((target) => `${source}${target}`)],
  },
}));

/** Stages of the trip know the shape of a stage, never each other. */
const stages = ['cache', 'routing', 'resilience', 'pool'];
const strangerRules = stages.map((room) => ({
  name: `stages-are-strangers-${room}`,
  comment: 'Only database.pipeline.ts knows the order of the stages.',
  severity: 'error',
  from: { path: `${source}${room}/.*stage\\.ts$` },
  to: { path: `${source}(${stages.filter((other) => other !== room).join('|')})/.*stage\\.ts$` },
}));

module.exports = {
  forbidden: [
    ...floorRules,
    ...strangerRules,
    {
      name: 'no-circle',
      comment: 'Two files that need each other are one file, or a third one is missing below them.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'nothing-imports-the-hall',
      comment: 'database.* knows every room; no room knows it.',
      severity: 'error',
      from: { path: source, pathNot: [`${source}[^/]+\\.ts$`, spec] },
      to: { path: `${source}[^/]+\\.ts$` },
    },
    {
      name: 'room-is-on-a-floor',
      comment: 'A new room gets a line in `floors` above.',
      severity: 'error',
      from: {
        path: `${source}.+/`,
        pathNot: [
          ...Object.keys(floors).map((room) => `${source}${room}/`),
          `${source}ops/[^/]+\\.ts$`,
          `${source}testing/`,
          spec,
        ],
      },
      to: { path: source },
    },
    {
      name: 'ops-floor',
      comment: 'What the ops rooms share stands on the driver and the kernel.',
      severity: 'error',
      from: {
        path: `${source}ops/[^/]+\\.ts$`,
        pathNot: [`${source}ops/database-view\\.ts$`, spec],
      },
      to: { path: source, pathNot: `${source}(ops/[^/]+\\.ts$|driver/|query/|kernel/)` },
    },
    {
      name: 'ops-view-of-snapshots',
      comment: 'The view shows snapshots; a snapshot is typed where it is taken.',
      severity: 'error',
      from: { path: `${source}ops/database-view\\.ts$` },
      to: {
        path: source,
        pathNot: `${source}(routing/node|resilience/circuit-breaker|pool/pool-stats|query/|kernel/)`,
      },
    },
    {
      name: 'only-driver-imports-pg',
      comment: 'The driver is the only room that knows the wire.',
      severity: 'error',
      from: { path: source, pathNot: [`${source}driver/`, spec] },
      to: { path: '(^|/)node_modules/(@types/)?pg(-|/)' },
    },
    {
      name: 'only-classify-parses-sql',
      comment: 'One file knows the parser.',
      severity: 'error',
      from: { path: source, pathNot: [`${source}query/classify\\.ts$`, spec] },
      to: { path: '(^|/)node_modules/libpg-query/' },
    },
    {
      name: 'only-typeorm-adapter-imports-typeorm',
      comment: 'TypeORM is an optional peer: everything else must load without it.',
      severity: 'error',
      from: { path: source, pathNot: [`${source}adapters/typeorm`, spec] },
      to: {
        path: '(^|/)node_modules/(typeorm|@nestjs/typeorm)/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'a-room-has-no-index',
      comment: 'Rooms are imported file by file; only the package and its subpaths have a door.',
      severity: 'error',
      from: {},
      to: { path: `${source}(?!embedded/|testing/).+/index\\.ts$` },
    },
    {
      name: 'the-library-knows-no-app',
      severity: 'error',
      from: { path: source },
      to: { path: '^(src|test|bench|scripts)/', pathNot: '^test/support/' },
    },
    {
      name: 'the-app-uses-the-front-door',
      comment: 'The reference app imports what a user can import.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: `${source}.+/(?!index\\.ts$)` },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '(^|/)dist/'] },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    combinedDependencies: true,
    moduleSystems: ['es6', 'cjs'],
    enhancedResolveOptions: {
      conditionNames: ['module-sync', 'import', 'require', 'node', 'default', 'types'],
    },
  },
};
