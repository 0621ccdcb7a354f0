/* The language of templates: what a text expands to. Every row was run with Go 1.26's text/template, with the options
 * and definitions that Prometheus gives it. */
#include "tests/unit/alerts/rules/template_support.h"

struct row {
    const char *text;
    double value;
    const char *want;
};

static const struct row rows[] = {
    {"plain", 1.5, "plain"},
    {"{{ 1 }}", 1.5, "1"},
    {"{{ 1.5 }}|{{ 1e6 }}|{{ 0x10 }}|{{ 010 }}|{{ 0b11 }}|{{ 0o17 }}|{{ 1_000 }}|{{ -3 }}|{{ +3 }}|{{ 'a' }}|{{ '\\n' "
     "}}|{{ '\\x41' }}|{{ '\\u00e9' }}|{{ .5 }}|{{ 5. }}|{{ 1e3 }}|{{ '\303\251' }}",
     1.5, "1.5|1e+06|16|8|3|15|1000|-3|3|97|10|65|233|0.5|5|1000|233"},
    {"{{ \"a\\tb\\\"c\\\\\" }}{{ `raw\\n` }}{{ \"\\x41\\u00e9\\101\" }}", 1.5, "a\tb\"c\\raw\\nA\303\251A"},
    {"{{ true }}{{ false }}", 1.5, "truefalse"},
    {"{{ .Labels }} {{ . }} {{ $ }}", 1.5,
     "map[__name__:up instance:host.example.com:9100 job:node \303\251:\303\274] {map[__name__:up "
     "instance:host.example.com:9100 job:node \303\251:\303\274] map[region:eu] http://testhost:9090/path/prefix 1.5} "
     "{map[__name__:up instance:host.example.com:9100 job:node \303\251:\303\274] map[region:eu] "
     "http://testhost:9090/path/prefix 1.5}"},
    {"{{ .Labels.instance }} {{ $labels.instance }} {{ $labels.nope }}| {{ .Labels.\303\251 }}", 1.5,
     "host.example.com:9100 host.example.com:9100 | \303\274"},
    {"{{ $x := 1 }}{{ $x }}{{ $x = 2 }}{{ $x }}", 1.5, "12"},
    {"{{ if true }}a{{ else }}b{{ end }}", 1.5, "a"},
    {"{{ if false }}a{{ else if true }}b{{ else }}c{{ end }}", 1.5, "b"},
    {"{{ if false }}a{{ else if 0 }}b{{ else if \"\" }}b2{{ else }}c{{ end }}", 1.5, "c"},
    {"{{ with $labels.job }}{{ . }}{{ $ }}{{ end }}", 1.5,
     "node{map[__name__:up instance:host.example.com:9100 job:node \303\251:\303\274] map[region:eu] "
     "http://testhost:9090/path/prefix 1.5}"},
    {"{{ with $labels.nope }}{{ . }}{{ else }}none{{ end }}", 1.5, "none"},
    {"{{ with $labels.nope }}{{ . }}{{ else with $labels.job }}{{ . }}{{ else }}none{{ end }}", 1.5, "node"},
    {"{{ with $x := 5 }}{{ $x }}{{ . }}{{ end }}", 1.5, "55"},
    {"{{ range query \"m\" }}{{ .Labels.instance }}={{ .Value }};{{ end }}", 1.5, "b=21;a=11.5;c=NaN;"},
    {"{{ range $i, $v := query \"m\" }}{{ $i }}:{{ $v.Labels.n }}:{{ $v.Value }};{{ end }}", 1.5,
     "0:2:21;1:1:11.5;2:1:NaN;"},
    {"{{ range $v := query \"m\" }}{{ $v | value }};{{ end }}", 1.5, "21;11.5;NaN;"},
    {"{{ range query \"none\" }}x{{ else }}empty{{ end }}", 1.5, "empty"},
    {"{{ range $k, $v := $labels }}{{ $k }}={{ $v }} {{ end }}", 1.5,
     "__name__=up instance=host.example.com:9100 job=node \303\251=\303\274 "},
    {"{{ range $labels }}{{ . }} {{ end }}", 1.5, "up host.example.com:9100 node \303\274 "},
    {"{{ range 3 }}{{ . }}{{ end }}", 1.5, "012"},
    {"{{ range $i := 3 }}{{ $i }}{{ end }}", 1.5, "012"},
    {"{{ range 0 }}x{{ else }}none{{ end }}", 1.5, "none"},
    {"{{ range -3 }}x{{ else }}none{{ end }}", 1.5, "none"},
    {"{{ range $i, $v := query \"m\" }}{{ if $i }}{{ break }}{{ end }}{{ $i }}{{ end }}", 1.5, "0"},
    {"{{ range $i, $v := query \"m\" }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ $i }}{{ end }}", 1.5, "02"},
    {"{{ range 2 }}{{ range query \"none\" }}{{ else }}a{{ break }}b{{ end }}c{{ end }}", 1.5, "acac"},
    {"{{ range 2 }}{{ range query \"none\" }}{{ else }}a{{ continue }}b{{ end }}c{{ end }}", 1.5, "aa"},
    {"{{ $i := 0 }}{{ range $i = query \"m\" }}{{ end }}{{ $i.Labels.instance }}", 1.5, "c"},
    {"{{ $i := 0 }}{{ $e := 0 }}{{ range $i, $e = query \"m\" }}{{ end }}{{ $i }}{{ $e.Value }}", 1.5, "2NaN"},
    {"{{ define \"x\" }}[{{ . }}]{{ end }}{{ template \"x\" 5 }}{{ template \"x\" }}{{ template \"x\" $labels.job }}",
     1.5, "[5][<no value>][node]"},
    {"{{ define \"x\" }}{{ .arg0 }} {{ .arg1 }} {{ .arg2 }}{{ end }}{{ template \"x\" (args 1 \"2\") }}", 1.5,
     "1 2 <no value>"},
    {"{{ define \"x\" }}{{ $ }}{{ end }}{{ template \"x\" \"d\" }}", 1.5, "d"},
    {"{{ block \"b\" 3 }}<{{ . }}>{{ end }}{{ template \"b\" 4 }}", 1.5, "<3><4>"},
    {"{{ define \"x\" }} {{ end }}{{ define \"x\" }}b{{ end }}{{ template \"x\" }}", 1.5, "b"},
    {"{{ define \"x\" }}b{{ end }}{{ define \"x\" }} {{ end }}{{ template \"x\" }}", 1.5, "b"},
    {"a {{- 1 -}} b", 1.5, "a1b"},
    {"a {{-1 }} b", 1.5, "a -1 b"},
    {"a  {{- /* c */ -}}  b", 1.5, "ab"},
    {"a {{/* c */}} b", 1.5, "a  b"},
    {"}}", 1.5, "}}"},
    {"{{ 9223372036854775807 }}", 1.5, "9223372036854775807"},
    {"{{ ((1)) }}", 1.5, "1"},
    {"{{ $.Labels.job }}", 1.5, "node"},
    {"{{ print | }}", 1.5, ""},
    {"{{ html \"<a href='x'>\\\"&\" }} {{ html 1 2 \"a\" \"b\" 3 }} {{ js \"it's <b> & \\\"x\\\" =\\n\\u2028\303\251\" "
     "}}",
     1.5,
     "&lt;a href=&#39;x&#39;&gt;&#34;&amp; 1 2ab3 it\\'s \\u003Cb\\u003E \\u0026 \\\"x\\\" "
     "\\u003D\\u000A\\u2028\303\251"},
    {"{{ len \"abc\" }} {{ len $labels }} {{ len (query \"m\") }} {{ len (args 1 2) }}", 1.5, "3 4 3 2"},
    {"{{ index $labels \"job\" }} {{ index \"abc\" 1 }} {{ (index (query \"m\") 1).Value }} {{ index $labels \"zz\" "
     "}}| {{ index (args 1 2) \"arg1\" }} {{ index (args 1 2) \"arg9\" }}",
     1.5, "node 98 11.5 | 2 <no value>"},
    {"{{ index $labels }}", 1.5, "map[__name__:up instance:host.example.com:9100 job:node \303\251:\303\274]"},
    {"{{ slice \"abcdef\" 1 3 }} {{ slice \"abc\" }} {{ slice \"abc\" 1 }} {{ len (slice (query \"m\") 1 2) }} {{ len "
     "(slice (slice (query \"m\") 0 1) 0 3) }}",
     1.5, "bc abc bc 1 3"},
    {"{{ slice (query \"m\") 0 1 2 | len }}", 1.5, "1"},
    {"{{ eq 1 1 }} {{ eq 1 2 3 1 }} {{ eq \"a\" \"a\" }} {{ eq 1.0 1.0 }} {{ eq true true }} {{ ne 1 2 }} {{ lt 1 2 }} "
     "{{ le 2 2 }} {{ gt 2 1 }} {{ ge 1 2 }} {{ lt \"a\" \"b\" }}",
     1.5, "true true true true true true true true true false true"},
    {"{{ eq nil nil }} {{ eq nil 1 }} {{ eq 1 nil }} {{ ne nil nil }}", 1.5, "true false false false"},
    {"{{ eq $labels nil }}", 1.5, "false"},
    {"{{ eq (index \"abc\" 0) 97 }} {{ lt (index \"abc\" 0) 98 }} {{ gt 98 (index \"abc\" 0) }}", 1.5,
     "true true true"},
    {"{{ $n := (index (query \"m\") 2).Value }}{{ eq $n $n }} {{ lt $n 1.0 }} {{ gt $n 1.0 }} {{ ge $n 1.0 }} {{ le $n "
     "1.0 }} {{ ne $n $n }}",
     1.5, "false false true true false true"},
    {"{{ if gt $value 1.5 }}big{{ end }}", 1.5, ""},
    {"{{ and 1 0 2 }} {{ and 1 2 }} {{ or 0 \"\" 3 }} {{ or 0 \"\" }}| {{ not 0 }} {{ not \"a\" }} {{ not nil }}", 1.5,
     "0 2 3 | true false true"},
    {"{{ and false (index \"a\" 99) }} {{ or true (index \"a\" 99) }}", 1.5, "false true"},
    {"{{ or nil nil }}", 1.5, "<no value>"},
    {"{{ print (or nil nil) }}", 1.5, "<nil>"},
    {"{{ print 1 2 \"a\" \"b\" 3 4.5 nil true }} {{ println 1 \"a\" }}|{{ print }}|{{ println }}|", 1.5,
     "1 2ab3 4.5 <nil> true 1 a\n||\n|"},
    {"{{ args 1 2 3 }} {{ args }} {{ args (args 1) $labels \"x\" nil }}", 1.5,
     "map[arg0:1 arg1:2 arg2:3] map[] map[arg0:map[arg0:1] arg1:map[__name__:up instance:host.example.com:9100 "
     "job:node \303\251:\303\274] arg2:x arg3:<nil>]"},
    {"{{ range $k, $v := args 0 1 2 3 4 5 6 7 8 9 10 11 12 }}{{ $k }}={{ $v }} {{ end }}", 1.5,
     "arg0=0 arg1=1 arg10=10 arg11=11 arg12=12 arg2=2 arg3=3 arg4=4 arg5=5 arg6=6 arg7=7 arg8=8 arg9=9 "},
    {"{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", 1.5, "21"},
    {"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", 1.5, "2"},
    {"{{ if and (eq $labels.job \"node\") (gt $value 0.5) }}yes{{ else }}no{{ end }}", 1.5, "yes"},
    {"{{ \"q\" | print | len }} {{ len print }}", 1.5, "1 0"},
    {"{{ $labels.job | len }} {{ $labels | len }}", 1.5, "4 4"},
    {"{{print \"a\"}}{{print \"b\"}}", 1.5, "ab"},
    {"{{ \"a\" }}{{ \"b\" -}}   c   {{- \"d\" }}", 1.5, "abcd"},
    {"x{{- \" y \" -}}z", 1.5, "x y z"},
    {"{{- 1 -}}", 1.5, "1"},
    {"{{ 1 -}}{{- 2 }}", 1.5, "12"},
    {" }}", 1.5, " }}"},
    {"", 1.5, ""},
    {"{{ template \"x\" }}{{ define \"x\" }}{{ range 2 }}{{ template \"y\" . }}{{ end }}{{ end }}{{ define \"y\" }}<{{ "
     ". }}>{{ end }}",
     1.5, "<0><1>"},
    {"{{ range $i, $e := args \"a\" \"b\" }}{{ $i }}{{ $e }}{{ end }}", 1.5, "arg0aarg1b"},
    {"{{ with args \"a\" nil }}{{ .arg0 }}{{ .arg1 }}{{ range . }}[{{ . }}]{{ end }}{{ end }}", 1.5,
     "a<no value>[a][<no value>]"},
    {"{{ eq (args 1).arg0 1 }} {{ eq (args nil).arg0 nil }} {{ lt (args 1).arg0 2 }} {{ and (args 1).arg0 5 }} {{ "
     "index (args (args 7)) \"arg0\" \"arg0\" }}",
     1.5, "true true true 5 7"},
    {"{{ $\303\251 := 1 }}{{ $\303\251 }}", 1.5, "1"},
    {"{{ true | not }} {{ not true | not }}", 1.5, "false true"},
    {"{{ print nil }}", 1.5, "<nil>"},
    {"{{ '\\'' }}", 1.5, "39"},
    {"{{ `a\r\nb` }}", 1.5, "a\nb"},
    {"{{ \"\001\" }}", 1.5, "\001"},
    {"{{ $value }}", 0.0, "0"},
    {"{{ $value }}", 1000000.0, "1e+06"},
    {"{{ $value }}", 123456.0, "123456"},
    {"{{ $value }}", 1234567.0, "1.234567e+06"},
    {"{{ $value }}", 999999.5, "999999.5"},
    {"{{ $value }}", 0.0001, "0.0001"},
    {"{{ $value }}", 1e-05, "1e-05"},
    {"{{ $value }}", 1e+21, "1e+21"},
    {"{{ $value }}", 1e+20, "1e+20"},
    {"{{ $value }}", 5e-324, "5e-324"},
    {"{{ $value }}", 1.7976931348623157e+308, "1.7976931348623157e+308"},
    {"{{ $value }}", 0.1, "0.1"},
    {"{{ $value }}", 0.3333333333333333, "0.3333333333333333"},
    {"{{ $value }}", 2.5, "2.5"},
    {"{{ $value }}", 100000.0, "100000"},
    {"{{ $value }}", 1e-07, "1e-07"},
    {"{{ $value }}", 123456789.0, "1.23456789e+08"},
    {"{{ $value }}", 100.0, "100"},
    {"{{ $value }}", -17.25, "-17.25"},
    {"{{ if true }}{{ else if true }}{{ else if true }}{{ else if true }}{{ end }}done", 1.5, "done"},
};

static void texts_expand_as_in_go(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        check_row(rows[i].text, rows[i].value, rows[i].want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_expand_as_in_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
