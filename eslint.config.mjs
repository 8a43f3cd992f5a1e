// Style and safety rules. The floors (who may import whom) live in .dependency-cruiser.cjs.
import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const library = ['libs/database/src/**/*.ts'];
const app = ['src/**/*.ts'];
const chaos = ['chaos/**/*.ts'];
const bench = ['bench/**/*.ts'];
const specs = ['**/*.spec.ts', '**/*.e2e-spec.ts'];

const clockMend = 'Only kernel/clock touches the real clock: take a Clock.';
const clockGlobals = ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'];
const clockProperties = [
  ['Date', 'now'],
  ['performance', 'now'],
  ['process', 'hrtime'],
  ['globalThis', 'setTimeout'],
  ['globalThis', 'setInterval'],
];

export default defineConfig(
  globalIgnores(['**/dist/', '**/coverage/', '**/node_modules/']),
  js.configs.recommended,
  {
    files: ['**/*.{mjs,cjs}'],
    languageOptions: {
      globals: {
        console: 'readonly',
        process: 'readonly',
        performance: 'readonly',
        module: 'writable',
        require: 'readonly',
        fetch: 'readonly',
        AbortSignal: 'readonly',
        setTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        clearTimeout: 'readonly',
      },
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'no-console': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      // `async` is how a port's method turns a throw into a rejection.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: [...library, ...app, ...chaos, ...bench],
    ignores: specs,
    rules: {
      'max-lines': ['error', { max: 250, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
    },
  },
  { files: app, rules: { 'no-console': 'off' } },
  {
    files: [...bench, 'chaos/main.ts', 'test/consumers/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: library,
    ignores: ['libs/database/src/kernel/clock.ts', ...specs],
    rules: {
      'no-restricted-globals': [
        'error',
        ...clockGlobals.map((name) => ({ name, message: clockMend })),
      ],
      'no-restricted-properties': [
        'error',
        ...clockProperties.map(([object, property]) => ({ object, property, message: clockMend })),
      ],
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: clockMend },
      ],
    },
  },
  {
    files: library,
    ignores: [
      'libs/database/src/kernel/clock.ts',
      'libs/database/src/telemetry/event-log.ts',
      ...specs,
    ],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            { name: 'node:timers', message: clockMend },
            { name: 'node:timers/promises', message: clockMend },
            { name: 'node:perf_hooks', message: clockMend },
            {
              name: '@nestjs/common',
              importNames: ['Logger', 'ConsoleLogger'],
              message: 'Only telemetry/event-log writes logs: return, throw or emit an event.',
            },
          ],
        },
      ],
    },
  },
  {
    files: [...specs, 'test/**/*.ts'],
    rules: {
      // Answers parsed from JSON and deliberately wrong input are `any` by nature; what is asserted on them is the check.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
);
