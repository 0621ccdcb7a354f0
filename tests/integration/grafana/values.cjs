// values.cjs FOLDER <{name: {dashboard, answers}}: what dashboards name, run by the packages of the Grafana below FOLDER: units, reducers, matchers,
// colours, thresholds, words for values, and transformations on frames as a Prometheus' answers make them. `answers` has, of each panel and each
// of its targets, the series [labels, legend] of an answer. Writes {faults: [text], counts: {...}}. What is called `wrong ...` is not counted.
'use strict';
const fs = require('fs');
const path = require('path');
const {load} = require('./packages.cjs');

const folder = path.resolve(process.argv[2]);
const {data, prometheus} = load(folder);
const {lastValueFrom} = require(require.resolve('rxjs', {paths: [folder]}));
const theme = data.createTheme();
const UNITS = new Set(data.getValueFormats().flatMap(group => group.submenu.map(one => one.value)));
const UNIT = /^(prefix|suffix|time|si|count|currency|bool):./;  // ids that getValueFormat takes apart
const FIELD = ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'color', 'thresholds', 'mappings', 'filterable', 'description'];

// Grafana's application fills this registry; since 13 with what loads a transformation.
const lazily = Number(path.basename(folder)) >= 13;
const transformers = new Map(Object.values(data.standardTransformers).map(one => [one.id, one]));  // one has two names
data.standardTransformersRegistry.setInit(() => [...transformers.values()].map(one =>
    ({id: one.id, name: one.name, transformation: lazily ? () => Promise.resolve(one) : one})));

const faults = [];
const counts = {dashboards: 0, panels: 0, units: 0, colours: 0, reducers: 0, overrides: 0, thresholds: 0, mappings: 0, transformations: 0, fields: 0};
let where, wrong;
function hold(right, said) {
    if (!right)
        faults.push(`${where}: ${said}`);
}
function count(kind) {
    counts[kind] += wrong ? 0 : 1;
}

// What Grafana's packages warn of is a fault, too.
console.warn = console.error = said => faults.push(`${where}: ${said}`);

// ---- names

// [key, value, path] of everything below, however deep.
function* all(value, at = '') {
    for (const [key, one] of Object.entries(value ?? {})) {
        yield [key, one, `${at}${key}`];
        if (typeof one === 'object')
            yield* all(one, `${at}${key}.`);
    }
}

function unit(id, at) {
    count('units');
    hold(UNITS.has(id) || UNIT.test(id), `${at}: no such unit: ${id}`);
    const text = data.formattedValueToString(data.getValueFormat(id)(1234.5));
    hold(/\d/.test(text) && !/NaN|undefined|null/.test(text), `${at}: 1234.5 in ${id} is ${text}`);
}

function colour(name, at) {
    count('colours');
    const made = theme.visualization.getColorByName(name);
    hold(/^(#[0-9a-f]{3,8}|rgba?\([\d., %]+\)|transparent)$/i.test(made), `${at}: no such colour: ${name}`);
}

function reducers(panel) {
    const {reduceOptions = {calcs: []}, legend = {}} = panel.options;
    for (const id of [...reduceOptions.calcs, ...legend.calcs ?? []]) {
        count('reducers');
        hold(data.fieldReducers.getIfExists(id), `no such reducer: ${id}`);
    }
    const titles = (legend.calcs ?? []).map(id => data.fieldReducers.getIfExists(id)?.name);
    if (legend.sortBy)
        hold(titles.includes(legend.sortBy), `options.legend.sortBy: no column of the legend: ${legend.sortBy} of ${titles}`);
}

function names(panel) {
    const {defaults, overrides} = panel.fieldConfig;
    const properties = overrides.flatMap(rule => rule.properties).map(({id, value}) => ({[id]: value}));
    for (const [key, value, at] of all({options: panel.options, defaults, properties})) {
        if (key === 'unit')
            unit(value, at);
        if (['fixedColor', 'color'].includes(key) && typeof value === 'string')
            colour(value, at);
        if (at.endsWith('.color.mode') && !at.startsWith('options'))
            hold(data.fieldColorModeRegistry.getIfExists(value), `${at}: no such colour mode: ${value}`);
    }
}

// ---- frames, as Grafana's server makes them of an answer and @grafana/prometheus reads them

function frames_of(panel, answers) {
    const frames = panel.targets.flatMap((target, place) => answers[place].length ? answers[place].map(([labels, legend], n) => {
        const times = target.instant ? [1e12] : [1e12, 1e12 + 15000, 1e12 + 30000];
        return data.createDataFrame({
            refId: target.refId, name: legend, meta: {type: 'timeseries-multi', custom: {resultType: target.instant ? 'vector' : 'matrix'}},
            fields: [{name: 'Time', type: 'time', config: {interval: 15000}, values: times},
                {name: 'Value', type: 'number', labels, config: {displayNameFromDS: legend}, values: times.map((_, i) => n + i)}],
        });
    }) : [{refId: target.refId, fields: [], length: 0}]);
    return prometheus.transformV2({data: frames}, {targets: panel.targets}, {}).data;
}

const named = frames => frames.flatMap(frame => frame.fields.map(field => data.getFieldDisplayName(field, frame, frames)));

async function transformed(panel, answers) {
    let frames = frames_of(panel, answers);
    for (const one of panel.transformations) {
        count('transformations');
        const known = data.standardTransformersRegistry.getIfExists(one.id);
        hold(known, `no such transformation: ${one.id}`);
        const before = named(frames);
        if (known)
            frames = await lastValueFrom(data.transformDataFrame([one], frames, {interpolate: text => text}));
        const asked = [...one.options.include?.names ?? [], ...Object.keys(one.options.renameByName ?? {}), ...Object.keys(one.options.indexByName ?? {})];
        const missing = asked.filter(name => !before.includes(name));
        hold(!missing.length, `${one.id}: no such field: ${missing} of ${before}`);
    }
    if (panel.type === 'table') {
        hold(frames.length === 1, `a table of ${frames.length} frames shows one of them`);
        const titles = Object.values(panel.transformations.at(-1)?.options.renameByName ?? {});
        hold(named(frames).join() === titles.join(), `the columns are ${named(frames)}, not ${titles}`);
        for (const one of panel.options.sortBy ?? [])
            hold(named(frames).includes(one.displayName), `options.sortBy: no such column: ${one.displayName}`);
    }
    if (panel.type === 'heatmap')
        hold(frames.length === 1 && frames[0].meta.type === 'heatmap-rows' && frames[0].fields.length === 1 + answers[0].length,
            'not one frame with a field for each bucket');
    return frames;
}

// ---- settings of fields: what they are for, and what is shown

function matchers(panel, frames) {
    for (const {matcher} of panel.fieldConfig.overrides) {
        count('overrides');
        const known = data.fieldMatchers.getIfExists(matcher.id);
        hold(known, `no such matcher: ${matcher.id}`);
        const match = known?.get(matcher.options);
        hold(!match || frames.some(frame => frame.fields.some(field => match(field, frame, frames))),
            `overrides: ${matcher.id} ${matcher.options} is none of the fields ${named(frames)}`);
    }
}

function shown(panel, frames) {
    const ids = panel.fieldConfig.overrides.flatMap(rule => rule.properties.map(one => one.id)).filter(id => id.startsWith('custom.'));
    const custom = [...new Set([...ids, ...Object.keys(panel.fieldConfig.defaults.custom ?? {}).map(key => `custom.${key}`)])];
    const known = [...FIELD.map(id => ({id, path: id, isCustom: false})), ...custom.map(id => ({id, path: id.slice(7), isCustom: true}))];
    const registry = new data.Registry(() => known.map(one => ({...one, name: one.id, shouldApply: () => true, process: value => value})));
    const settings = {fieldConfig: panel.fieldConfig, replaceVariables: text => text, theme, timeZone: 'utc'};
    const made = data.applyFieldOverrides({...settings, data: frames, fieldConfigRegistry: registry});
    for (const {fields} of made)
        for (const field of fields.filter(one => one.type === 'number')) {
            count('fields');
            hold(field.display(1234.5).text !== '' && field.display(null).text !== '', `nothing is shown for a value of ${field.name}`);
        }
    if (panel.options.reduceOptions) {
        const values = data.getFieldDisplayValues({...settings, data: made, reduceOptions: panel.options.reduceOptions});
        const series = made.flatMap(frame => frame.fields).filter(field => field.type === 'number').length;
        hold(values.length === series && values.every(one => one.display.text !== '' && one.display.color), `${values.length} numbers of ${series} series`);
    }
}

// Where there is no answer, or none to one of several queries.
async function empty(panel, answers) {
    for (const left of panel.targets.length > 1 ? [null, ...panel.targets.keys()] : [null]) {
        let frames = frames_of(panel, answers.map((one, place) => left === null || left === place ? [] : one));
        frames = await lastValueFrom(data.transformDataFrame(panel.transformations, frames, {interpolate: text => text}));
        if (panel.type === 'table' && left !== null)
            hold(frames.length === 1, `without an answer to ${left} a table of ${frames.length} frames`);
    }
    if (!panel.options.reduceOptions)
        return;
    const settings = {data: [], fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, replaceVariables: text => text, theme};
    const said = data.getFieldDisplayValues(settings).map(one => one.display.text);
    const {mappings: rows = [], noValue} = panel.fieldConfig.defaults;
    const nothing = rows.find(one => one.type === 'special')?.options.result.text ?? noValue;
    hold(said.join() === nothing, `without an answer it says ${said}, not ${nothing}`);
}

const display = (defaults, type = 'number') => data.getDisplayProcessor({field: {name: 'x', type, values: [], config: {...defaults}}, theme});

function thresholds(defaults) {
    const {steps} = defaults.thresholds;
    count('thresholds');
    hold(steps[0].value === null, `thresholds: the first step begins at ${steps[0].value}, not at null`);
    hold(steps.slice(1).every((step, n) => typeof step.value === 'number' && (n === 0 || step.value > steps[n].value)), 'thresholds: not ascending');
    if (defaults.color.mode !== 'thresholds' || steps[0].value !== null)
        return;
    const show = display({...defaults, mappings: []});
    for (const step of steps) {
        const value = step.value ?? (steps[1]?.value ?? 1) - 1;
        hold(show(value).color === theme.visualization.getColorByName(step.color), `thresholds: ${value} is ${show(value).color}, not ${step.color}`);
    }
}

function mappings(defaults) {
    for (const one of defaults.mappings ?? []) {
        const rows = one.type === 'value' ? Object.entries(one.options) : [[null, one.options.result]];
        hold(rows.every(([, row], n) => n === 0 || row.index > rows[n - 1][1].index), 'mappings: not in the order of their index');
        for (const [value, {text, color}] of rows) {
            count('mappings');
            const number = value === null || value.trim() !== '' && !isNaN(value);
            const said = display(defaults, number ? 'number' : 'string')(value === null ? null : number ? Number(value) : value);
            hold(said.text === text && (!color || said.color === theme.visualization.getColorByName(color)),
                `mappings: ${value} is shown as ${said.text} in ${said.color}, not as ${text} in ${color}`);
        }
    }
    const nothing = defaults.mappings?.find(one => one.type === 'special')?.options.result.text ?? defaults.noValue;
    hold(display(defaults)(null).text === nothing, `null is shown as ${display(defaults)(null).text}, not as ${nothing}`);
}

async function check(name, {dashboard, answers}) {
    wrong = name.startsWith('wrong ');
    count('dashboards');
    for (const [place, panel] of dashboard.panels.entries()) {
        where = `${name}: ${panel.title}`;
        if (panel.type === 'row')
            continue;
        count('panels');
        try {
            names(panel);
            reducers(panel);
            thresholds(panel.fieldConfig.defaults);
            mappings(panel.fieldConfig.defaults);
            const frames = await transformed(panel, answers[place]);
            matchers(panel, frames);
            shown(panel, frames);
            await empty(panel, answers[place]);
        } catch (error) {
            faults.push(`${where}: ${error.stack.split('\n').slice(0, 4).join(' ')}`);
        }
    }
}

// The older form of a Prometheus annotation: each key of it is read by the package's own code.
function annotations() {
    const code = path.join(folder, 'node_modules/@grafana/prometheus/dist/cjs');
    const source = ['index.cjs', 'annotations.cjs'].filter(file => fs.existsSync(path.join(code, file)))
        .map(file => fs.readFileSync(path.join(code, file), 'utf8')).join('');
    where = 'annotations';
    for (const key of ['expr', 'step', 'tagKeys', 'titleFormat', 'textFormat', 'useValueForTime'])
        hold(new RegExp(`\\b${key}\\b`).test(source), `@grafana/prometheus does not read ${key}`);
}

(async () => {
    for (const [name, one] of Object.entries(JSON.parse(fs.readFileSync(0, 'utf8'))))
        await check(name, one);
    annotations();
    console.log(JSON.stringify({faults, counts}));
})();
