// Jest in ESM mode: run through `npm test`, which passes --experimental-vm-modules.

/** @type {import('jest').Config} */
const shared = {
  testEnvironment: 'node',
  rootDir: import.meta.dirname,
  extensionsToTreatAsEsm: ['.ts'],
  setupFiles: ['reflect-metadata'],
  modulePathIgnorePatterns: ['/dist/', '<rootDir>/test/consumers/'],
  moduleNameMapper: {
    '^nestjs-database$': '<rootDir>/libs/database/src/index.ts',
    '^nestjs-database/(embedded|testing)$': '<rootDir>/libs/database/src/$1/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        sourceMaps: 'inline',
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true },
          transform: {
            legacyDecorator: true,
            decoratorMetadata: true,
            useDefineForClassFields: true,
          },
        },
      },
    ],
  },
};

/** Suites that ask a real server: named *.e2e-spec.ts wherever they live, and everything in test/ except test/house; test/external is a command of its own. */
const serverSuites = [
  '<rootDir>/**/*.e2e-spec.ts',
  '<rootDir>/test/!(house|consumers|external)/**/*.spec.ts',
];

export default {
  maxWorkers: 2,
  testTimeout: 30_000,
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['<rootDir>/{libs,src,chaos,bench,test/house}/**/*.spec.ts'],
    },
    {
      ...shared,
      displayName: 'server',
      testMatch: serverSuites,
      globalSetup: '<rootDir>/test/support/global-setup.ts',
      globalTeardown: '<rootDir>/test/support/global-teardown.ts',
    },
  ],
};
