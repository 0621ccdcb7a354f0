// types.cjs FOLDER <{dashboards: {name: dashboard}, sources: {name: jsonData}}: holds dashboards, and settings of data sources, to dashboard.ts
// with the packages of the Grafana below FOLDER. Writes {faults: [text], counts: {...}}; a fault begins with the name and, of a panel, its title.
// What is called `wrong ...` is not counted.
'use strict';
const fs = require('fs');
const path = require('path');

const folder = path.resolve(process.argv[2]);
const ts = require(require.resolve('typescript', {paths: [folder]}));
const {dashboards, sources} = JSON.parse(fs.readFileSync(0, 'utf8'));

// Each part of a dashboard is a constant of its own, so that an error is of that part and does not hide those of others.
const parts = [];
function* in_parts() {
    for (const [name, {panels, ...rest}] of Object.entries(dashboards)) {
        yield {where: name, type: 'Dashboard', value: rest};
        for (const panel of panels)
            yield {where: `${name}: ${panel.title}`, type: `Panels[${JSON.stringify(panel.type)}]`, value: panel};
    }
    for (const [name, value] of Object.entries(sources))
        yield {where: name, type: 'Source', value};
}
let text = `import {Dashboard, Panels, Source} from './dashboard';\n`;
const seen = new Set();  // the panels of a copy to import are those of its dashboard
for (const part of in_parts()) {
    const constant = `: ${part.type} = ${JSON.stringify(part.value, null, 1)};\n`;
    if (!seen.has(constant))
        text += `export const part_${parts.length}${constant}`;
    seen.add(constant);
    parts.push({...part, end: text.length});
}

const options = {
    strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.Node10, lib: ['lib.es2022.d.ts'],
};
const files = {
    [path.join(folder, 'dashboards.ts')]: text,
    [path.join(folder, 'dashboard.ts')]: fs.readFileSync(path.join(__dirname, 'dashboard.ts'), 'utf8'),
};
const host = ts.createCompilerHost(options);
const {readFile, fileExists, getSourceFile} = host;
host.readFile = name => files[name] ?? readFile(name);
host.fileExists = name => name in files || fileExists(name);
host.getSourceFile = (name, ...rest) => name in files ? ts.createSourceFile(name, files[name], ts.ScriptTarget.ES2022) : getSourceFile(name, ...rest);

// The path in the JSON of what an error points at, as Grafana's documents write it: options.legend.calcs.
function path_of(source, at) {
    const names = [];
    (function find(node) {
        ts.forEachChild(node, child => {
            if (child.getStart(source) <= at && at < child.end) {
                if (ts.isPropertyAssignment(child))
                    names.push(child.name.text);
                find(child);
            }
        });
    })(source);
    return names.join('.');
}

const program = ts.createProgram(Object.keys(files), options, host);
const faults = [];
for (const name of Object.keys(files)) {
    const source = program.getSourceFile(name);
    for (const error of [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]) {
        const said = ts.flattenDiagnosticMessageText(error.messageText, ' ').replace(/\s+/g, ' ').slice(0, 600);
        const part = name.endsWith('dashboards.ts') ? parts.find(one => error.start < one.end) : null;
        const line = source.getLineAndCharacterOfPosition(error.start).line + 1;
        faults.push(part ? `${part.where}: ${path_of(source, error.start)}: ${said}` : `dashboard.ts:${line}: ${said}`);
    }
}

const leaves = value => typeof value === 'object' && value ? Object.values(value).reduce((sum, one) => sum + leaves(one), 0) : 1;
const right = parts.filter(part => !part.where.startsWith('wrong '));
const panels = right.filter(part => part.type.startsWith('Panels') && part.value.type !== 'row').map(part => part.value);
console.log(JSON.stringify({faults, counts: {
    dashboards: right.filter(part => part.type === 'Dashboard').length,
    panels: panels.length,
    options: panels.reduce((sum, panel) => sum + leaves(panel.options), 0),
    settings: panels.reduce((sum, panel) => sum + leaves(panel.fieldConfig), 0),
    queries: panels.reduce((sum, panel) => sum + panel.targets.length, 0),
    sources: right.filter(part => part.type === 'Source').length,
}}));
