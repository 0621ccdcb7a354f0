// Grafana's own packages without a browser: load(folder) gives @grafana/data and @grafana/prometheus of the Grafana below `folder`.
// What draws, or talks to a server, is not installed; nothing stands for it. Value formats, transformers, matchers, reducers and the
// reading of Prometheus' answers need none of it.
'use strict';
const fs = require('fs');
const Module = require('module');
const path = require('path');

const LEFT_OUT = [
    '@grafana/assistant', '@braintree/sanitize-url', '@emotion/css', '@floating-ui/react', '@grafana/e2e-selectors', '@grafana/i18n',
    '@grafana/plugin-ui', '@grafana/runtime', '@grafana/ui', '@hello-pangea/dnd', '@lezer/common', '@lezer/highlight', '@lezer/lr',
    '@prometheus-io/lezer-promql', '@react-hookz/web', '@reduxjs/toolkit', 'date-fns', 'debounce-promise', 'dompurify', 'history', 'marked',
    'marked-mangle', 'monaco-editor', 'monaco-promql', 'ol', 'papaparse', 'pluralize', 'prismjs', 'react', 'react-highlight-words', 'react-use',
    'react-window', 'semver', 'uplot', 'uuid'];

// Whatever is asked of it, called or made, is nothing again.
const nothing = new Proxy(function () {}, {
    get: (_, key) => key === Symbol.toPrimitive ? () => '' : key === Symbol.iterator ? function* () {} : key === 'prototype' ? {} : nothing,
    apply: () => nothing,
    construct: () => ({}),
});

// As a module it has everything that is imported from it.
const module_of_nothing = new Proxy({}, {has: () => true, get: () => nothing});

const left_out = name => LEFT_OUT.some(one => name === one || name.startsWith(one + '/'));
let beside;  // the packages that all Grafanas share
const load_really = Module._load;
// Of d3, node would take its modules, which only newer ones can require.
const d3 = {};
function load_d3(name) {
    if (!d3[name]) {
        const file = path.join(beside, name, 'dist', `${name}.min.js`);
        d3[name] = new Module(file);
        d3[name]._compile(fs.readFileSync(file, 'utf8'), file);
    }
    return d3[name].exports;
}
Module._load = function (name, ...rest) {
    if (left_out(name))
        return module_of_nothing;
    return name.startsWith('d3-') ? load_d3(name) : load_really.call(this, name, ...rest);
};
// A page has them.
globalThis.window = {addEventListener() {}, removeEventListener() {}, grafanaBootData: {settings: {featureToggles: {}}}};
globalThis.navigator ??= {language: 'en-US', languages: ['en-US'], platform: 'Linux', userAgent: ''};

exports.load = folder => {
    beside = path.join(folder, '../node_modules');
    const here = Module.createRequire(folder + '/');
    return {data: here('@grafana/data'), prometheus: here('@grafana/prometheus')};
};
