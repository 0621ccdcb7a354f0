// What a dashboard may say, by the types of the Grafana that this file lies beside: put together of @grafana/schema (dashboard, panels, each
// panel's own options and settings of fields), @grafana/prometheus (queries) and @grafana/data (transformations, links, matchers).
// types.cjs holds every dashboard's JSON to `Dashboard` and `Panels`, and provisioned data sources to `Source`, as object literals, so that
// what is misspelled or has moved is an error.
import * as schema from '@grafana/schema';
import {DataLink, FieldMatcherID, QueryVariableModel, standardTransformers} from '@grafana/data';
import {PromOptions, PromQuery} from '@grafana/prometheus';
import * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import * as gauge from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import * as statetimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// ---- types as JSON has them

// An enum is written as its value. What fits everything, as `any` does and a type that could not be found, fits nothing here.
export type Json<T> = unknown extends T ? never
    : T extends string ? `${T}`
    : T extends number ? (`${number}` extends `${T}` ? number : `${T}` extends `${infer N extends number}` ? N : never)
    : T extends object ? {[K in keyof T]: Json<T[K]>}
    : T;
type None = Record<string, never>;

// ---- where the types of a dashboard are too wide or too narrow: each exception, and why

// A panel's own defaults stand in for what its options do not say, at any depth. Nothing else that types want may be left out.
type Some<T> = T extends unknown[] ? T : T extends object ? {[K in keyof T]?: Some<T[K]>} : T;
interface Exceptions {
    // An uid in the JSON is `${datasource}`; raw types have `any` here.
    datasource: schema.DataSourceRef;
    // Written by the editor of query variables (@grafana/data has it, @grafana/schema has not): the query as it is shown in lists.
    variable: Pick<QueryVariableModel, 'definition'>;
    // Nothing is chosen yet: Grafana's own exports have it so, and choose the first.
    unchosen: {type: 'datasource'; current: schema.VariableOption | None};
    // The older form of a Prometheus annotation, which @grafana/prometheus reads beside `target` (values.cjs checks that it does).
    annotation: {expr: string; step: string; tagKeys: string; titleFormat: string; textFormat: string; useValueForTime: boolean};
    // Links of a panel are typed as those of a dashboard; Grafana's editor writes, and its panels read, links of data.
    links: Pick<DataLink, 'title' | 'url' | 'targetBlank'>[];
    // Read by the import dialog and by nothing else: no package of Grafana has a type of it.
    import: {
        __inputs: {name: string; label: string; description: string; type: 'datasource'; pluginId: 'prometheus'; pluginName: string}[];
        __elements: None;
        __requires: {type: 'grafana' | 'datasource' | 'panel'; id: string; name: string; version: string}[];
    };
}

// ---- a panel: its kind's own options and settings of fields

interface Kinds {
    bargauge: [bargauge.Options, None];
    gauge: [gauge.Options, None];
    heatmap: [heatmap.Options, heatmap.FieldConfig];
    stat: [stat.Options, None];
    'state-timeline': [statetimeline.Options, statetimeline.FieldConfig];
    table: [table.Options, table.FieldConfig];
    timeseries: [timeseries.Options, timeseries.FieldConfig];
}

type Query = Omit<PromQuery, 'datasource'> & {datasource: Exceptions['datasource']};

type OptionsOf<T> = T extends {operator: (options: infer O, ...rest: never[]) => unknown} ? O : never;
type Standard = typeof standardTransformers;
type Transformation = {id: 'merge'; options: OptionsOf<Standard['mergeTransformer']> & None}
    | {id: 'organize'; options: OptionsOf<Standard['organizeFieldsTransformer']>}
    | {id: 'filterFieldsByName'; options: OptionsOf<Standard['filterFieldsByNameTransformer']>};

// What is the same of all fields: `custom` is a panel's own, `links` is unknown there and not used.
type Field = Omit<schema.FieldConfig, 'custom' | 'links'>;
type Property<Custom> = {[K in keyof Field & string]-?: {id: K; value: Field[K]}}[keyof Field & string]
    | {[K in keyof Custom & string]-?: {id: `custom.${K}`; value: Custom[K]}}[keyof Custom & string];
type Matcher = {id: FieldMatcherID.byName | FieldMatcherID.byRegexp; options: string};
interface FieldSettings<Custom> {
    defaults: Field & {custom?: Custom};
    overrides: {matcher: Matcher; properties: Property<Custom>[]}[];
}

type Open = 'type' | 'options' | 'fieldConfig' | 'targets' | 'transformations' | 'links' | 'datasource' | 'libraryPanel';
type PanelOf<Kind extends keyof Kinds> = Omit<schema.Panel, Open> & {
    type: Kind;
    options: Some<Kinds[Kind][0]>;
    fieldConfig: FieldSettings<Kinds[Kind][1]>;
    targets: Query[];
    transformations: Transformation[];
    links?: Exceptions['links'];
    datasource: Exceptions['datasource'];
};
type Row = Omit<schema.RowPanel, 'datasource' | 'panels'> & {panels: never[]};
export type Panels = {[Kind in keyof Kinds]: Json<PanelOf<Kind>>} & {row: Json<Row>};

// ---- a dashboard but for its panels

type Variable = Omit<schema.VariableModel, 'datasource' | 'query' | 'type' | 'current'> & Partial<Exceptions['variable']>
    & {query: string; datasource?: Exceptions['datasource']} & ({type: 'query' | 'textbox'; current: schema.VariableOption} | Exceptions['unchosen']);
type BuiltIn = Omit<schema.AnnotationQuery, 'target' | 'datasource' | 'snapshotData'> & {builtIn: 1; datasource: Exceptions['datasource']};
type Annotation = Omit<BuiltIn, 'builtIn'> & Exceptions['annotation'] & {target: Omit<PromQuery, 'datasource'>};
export type Dashboard = Json<Omit<schema.Dashboard, 'panels' | 'templating' | 'annotations' | 'snapshot'> & Partial<Exceptions['import']> & {
    templating: {list: Variable[]};
    annotations: {list: (BuiltIn | Annotation)[]};
}>;

export type Source = Json<PromOptions>;
