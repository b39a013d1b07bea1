import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

// The two edges that matter: the generated bindings are backend.ts's alone, and components know no state.
const bindings = { group: ['**/wailsjs/**'], message: 'only lib/backend.ts may import the generated bindings' };
const state = { group: ['**/state/**', '**/views/**', '**/backend', '**/backend.fake'], message: 'components take props; only views know state' };

export default ts.config(
  { ignores: ['dist/', 'wailsjs/', 'node_modules/', 'test-results/', 'playwright-report/'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  { files: ['**/*.svelte', '**/*.svelte.ts'], languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } } },
  {
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-restricted-imports': ['error', { patterns: [bindings] }],
      'svelte/no-at-html-tags': 'error',
      'no-restricted-properties': [
        'error',
        ...['innerHTML', 'outerHTML', 'insertAdjacentHTML'].map((property) => ({ property, message: 'output is hostile: text nodes only' })),
        { object: 'document', property: 'write', message: 'output is hostile: text nodes only' },
      ],
      'svelte/prefer-svelte-reactivity': 'off', // plain maps hold what nothing on screen depends on
      'no-control-regex': 'off', // terminal output is what this program reads
    },
  },
  { files: ['src/lib/backend.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['src/lib/components/**'], ignores: ['**/*.test.ts'], rules: { 'no-restricted-imports': ['error', { patterns: [bindings, state] }] } },
);
