/* What goes wrong when a template runs, in the words of Go 1.26 and Prometheus: every row was run there. */
#include "tests/unit/alerts/rules/template_support.h"

struct row {
    const char *text;
    double value;
    const char *want;
};

static const struct row rows[] = {
    {"{{ nil }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <nil>: nil is not a command>"},
    {"{{ .Foo }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <.Foo>: can't evaluate field Foo in type struct { Labels map[string]string; ExternalLabels "
     "map[string]string; ExternalURL string; Value interface {} }>"},
    {"{{ $labels.a.b }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:122: executing "
     "\"__alert_A\" at <$labels.a.b>: can't evaluate field b in type string>"},
    {"{{ $value.x }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <$value.x>: can't evaluate field x in type float64>"},
    {"{{ .Value.x }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <.Value.x>: can't evaluate field x in type interface {}>"},
    {"{{ .Labels.x \"a\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:122: executing "
     "\"__alert_A\" at <.Labels.x>: x is not a method but has arguments>"},
    {"{{ .ExternalURL \"a\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <.ExternalURL>: ExternalURL has arguments but cannot be invoked as function>"},
    {"{{ 1 2 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <1>: can't give argument to non-function 1>"},
    {"{{ 1 | .Value }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:119: executing "
     "\"__alert_A\" at <.Value>: Value has arguments but cannot be invoked as function>"},
    {"{{ 1 | $value }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:119: executing "
     "\"__alert_A\" at <$value>: can't give argument to non-function $value>"},
    {"{{ $value 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <$value>: can't give argument to non-function $value>"},
    {"{{ (1) 2 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <(1) 2>: can't give argument to non-function 1>"},
    {"{{ 1 | (print) }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <1>: can't give argument to non-function print>"},
    {"{{ $x := $x }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <$x>: undefined variable: $x>"},
    {"{{ $x = 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:120: executing "
     "\"__alert_A\" at <1>: undefined variable: $x>"},
    {"{{ range $i, $j := 3 }}{{ $i }}{{ end }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:131: executing "
     "\"__alert_A\" at <3>: can't use 3 to iterate over more than one variable>"},
    {"{{ range \"abc\" }}x{{ end }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <\"abc\">: range can't iterate over abc>"},
    {"{{ range $value }}x{{ end }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <$value>: range can't iterate over 1.5>"},
    {"{{ range . }}x{{ end }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <.>: range can't iterate over {map[__name__:up instance:host.example.com:9100 job:node "
     "\303\251:\303\274] map[region:eu] http://testhost:9090/path/prefix 1.5}>"},
    {"{{ range nil }}x{{ end }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <nil>: nil is not a command>"},
    {"{{ range true }}x{{ end }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <true>: range can't iterate over true>"},
    {"{{ define \"x\" }}{{ .Foo }}{{ end }}{{ template \"x\" . }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:131: executing \"x\" at "
     "<.Foo>: can't evaluate field Foo in type struct { Labels map[string]string; ExternalLabels map[string]string; "
     "ExternalURL string; Value interface {} }>"},
    {"{{ template \"nope\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:124: executing "
     "\"__alert_A\" at <{{template \"nope\"}}>: template \"nope\" not defined>"},
    {"{{ template \"nope\" . }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:124: executing "
     "\"__alert_A\" at <{{template \"nope\" .}}>: template \"nope\" not defined>"},
    {"{{ 9223372036854775808 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <9223372036854775808>: 9223372036854775808 overflows int>"},
    {"{{ (print 1 2).x }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:124: executing "
     "\"__alert_A\" at <2>: can't evaluate field x in type string>"},
    {"{{ .x.y.z }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:117: executing "
     "\"__alert_A\" at <.x.y.z>: can't evaluate field x in type struct { Labels map[string]string; ExternalLabels "
     "map[string]string; ExternalURL string; Value interface {} }>"},
    {"{{ print.x }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <print>: can't evaluate field x in type string>"},
    {"{{ (query \"missing\").banana }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:122: executing "
     "\"__alert_A\" at <\"missing\">: can't evaluate field banana in type template.queryResult>"},
    {"{{ humanize \"one\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize \"one\">: error calling humanize: strconv.ParseFloat: parsing \"one\": invalid "
     "syntax>"},
    {"{{ \"one\" | humanizePercentage }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:123: executing "
     "\"__alert_A\" at <humanizePercentage>: error calling humanizePercentage: strconv.ParseFloat: parsing \"one\": "
     "invalid syntax>"},
    {"{{ humanize }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize>: wrong number of args for humanize: want 1 got 0>"},
    {"{{ humanize 1 2 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize>: wrong number of args for humanize: want 1 got 2>"},
    {"{{ humanize nil }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize nil>: error calling humanize: can't convert <nil> to float>"},
    {"{{ humanize true }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize true>: error calling humanize: can't convert bool to float>"},
    {"{{ humanize $labels }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize $labels>: error calling humanize: can't convert map[string]string to float>"},
    {"{{ humanize . }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize .>: error calling humanize: can't convert struct { Labels map[string]string; "
     "ExternalLabels map[string]string; ExternalURL string; Value interface {} } to float>"},
    {"{{ humanize (toDuration 5) }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize (toDuration 5)>: error calling humanize: can't convert *time.Duration to float>"},
    {"{{ humanize \"\" }}|{{ humanize \"1e400\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize \"\">: error calling humanize: strconv.ParseFloat: parsing \"\": invalid syntax>"},
    {"{{ humanize \"1e400\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize \"1e400\">: error calling humanize: strconv.ParseFloat: parsing \"1e400\": value out "
     "of range>"},
    {"{{ humanize \"+NaN\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize \"+NaN\">: error calling humanize: strconv.ParseFloat: parsing \"+NaN\": invalid "
     "syntax>"},
    {"{{ humanize \" 1\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize \" 1\">: error calling humanize: strconv.ParseFloat: parsing \" 1\": invalid syntax>"},
    {"{{ query \"none\" | first }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:130: executing "
     "\"__alert_A\" at <first>: error calling first: first() called on vector with no elements>"},
    {"{{ query \"bad\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <query \"bad\">: error calling query: 1:4: parse error: unexpected end of input>"},
    {"{{ query }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <query>: wrong number of args for query: want 1 got 0>"},
    {"{{ query 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <1>: expected string; found 1>"},
    {"{{ first \"x\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <\"x\">: can't handle \"x\" for arg of type template.queryResult>"},
    {"{{ first nil }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <first nil>: error calling first: first() called on vector with no elements>"},
    {"{{ first 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <1>: can't handle 1 for arg of type template.queryResult>"},
    {"{{ first . }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <.>: wrong type for value; expected template.queryResult; got struct { Labels "
     "map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }>"},
    {"{{ value nil }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <value nil>: error calling value: runtime error: invalid memory address or nil pointer "
     "dereference>"},
    {"{{ label \"a\" nil }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <label \"a\" nil>: error calling label: runtime error: invalid memory address or nil pointer "
     "dereference>"},
    {"{{ label 1 nil }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <1>: expected string; found 1>"},
    {"{{ value .Labels }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <.Labels>: wrong type for value; expected *template.sample; got map[string]string>"},
    {"{{ reReplaceAll \"a(\" \"b\" \"c\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <reReplaceAll \"a(\" \"b\" \"c\">: error calling reReplaceAll: regexp: Compile(`a(`): error "
     "parsing regexp: missing closing ): `a(`>"},
    {"{{ reReplaceAll \"a`(\" \"b\" \"c\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <reReplaceAll \"a`(\" \"b\" \"c\">: error calling reReplaceAll: regexp: Compile(\"a`(\"): error "
     "parsing regexp: missing closing ): `a`(`>"},
    {"{{ match \"(\" \"aa\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <match \"(\" \"aa\">: error calling match: error parsing regexp: missing closing ): `(`>"},
    {"{{ match \"*\" \"aa\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <match \"*\" \"aa\">: error calling match: error parsing regexp: missing argument to repetition "
     "operator: `*`>"},
    {"{{ match \"a\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <match>: wrong number of args for match: want 2 got 1>"},
    {"{{ title 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <1>: expected string; found 1>"},
    {"{{ title $value }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <$value>: wrong type for value; expected string; got float64>"},
    {"{{ title .Labels }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <.Labels>: wrong type for value; expected string; got map[string]string>"},
    {"{{ title nil }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <nil>: cannot assign nil to string>"},
    {"{{ parseDuration \"x\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <parseDuration \"x\">: error calling parseDuration: not a valid duration string: \"x\">"},
    {"{{ parseDuration \"\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <parseDuration \"\">: error calling parseDuration: empty duration string>"},
    {"{{ parseDuration \"--1h\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <parseDuration \"--1h\">: error calling parseDuration: not a valid duration string: \"-1h\">"},
    {"{{ parseDuration \"1h1h\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <parseDuration \"1h1h\">: error calling parseDuration: not a valid duration string: \"1h1h\">"},
    {"{{ parseDuration \"1\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <parseDuration \"1\">: error calling parseDuration: not a valid duration string: \"1\">"},
    {"{{ safeHtml \"<b>\" }}{{ title (safeHtml \"b\") }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:151: executing "
     "\"__alert_A\" at <\"b\">: wrong type for value; expected string; got template.HTML>"},
    {"{{ len 3 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <len 3>: error calling len: len of type int>"},
    {"{{ len nil }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <len nil>: error calling len: reflect: call of reflect.Value.Type on zero Value>"},
    {"{{ len . }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <len .>: error calling len: len of type struct { Labels map[string]string; ExternalLabels "
     "map[string]string; ExternalURL string; Value interface {} }>"},
    {"{{ len .Value }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <len .Value>: error calling len: len of type float64>"},
    {"{{ len }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <len>: wrong number of args for len: want 1 got 0>"},
    {"{{ len (query \"m\" | first) }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <len (query \"m\" | first)>: error calling len: len of type template.sample>"},
    {"{{ index $labels 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index $labels 1>: error calling index: value has type int; should be string>"},
    {"{{ index $labels nil }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index $labels nil>: error calling index: value is nil; should be of type string>"},
    {"{{ index \"abc\" 3 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index \"abc\" 3>: error calling index: reflect: string index out of range>"},
    {"{{ index \"abc\" 4 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index \"abc\" 4>: error calling index: index out of range: 4>"},
    {"{{ index \"abc\" -1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index \"abc\" -1>: error calling index: index out of range: -1>"},
    {"{{ index \"abc\" \"x\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index \"abc\" \"x\">: error calling index: cannot index slice/array with type string>"},
    {"{{ index \"abc\" nil }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index \"abc\" nil>: error calling index: cannot index slice/array with nil>"},
    {"{{ index nil 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index nil 1>: error calling index: index of untyped nil>"},
    {"{{ index 1 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index 1 1>: error calling index: can't index item of type int>"},
    {"{{ index $value 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index $value 1>: error calling index: can't index item of type float64>"},
    {"{{ index (query \"m\") 3 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index (query \"m\") 3>: error calling index: reflect: slice index out of range>"},
    {"{{ index (query \"m\") 4 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index (query \"m\") 4>: error calling index: index out of range: 4>"},
    {"{{ index (query \"m\" | first) \"x\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index (query \"m\" | first) \"x\">: error calling index: can't index item of type "
     "template.sample>"},
    {"{{ index . \"x\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <index . \"x\">: error calling index: can't index item of type struct { Labels "
     "map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }>"},
    {"{{ slice \"abc\" 2 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <slice \"abc\" 2 1>: error calling slice: invalid slice index: 2 > 1>"},
    {"{{ slice \"abc\" 1 2 3 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <slice \"abc\" 1 2 3>: error calling slice: cannot 3-index slice a string>"},
    {"{{ slice \"abc\" 4 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <slice \"abc\" 4>: error calling slice: index out of range: 4>"},
    {"{{ slice \"abc\" 1 2 3 4 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <slice \"abc\" 1 2 3 4>: error calling slice: too many slice indexes: 4>"},
    {"{{ slice 5 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <slice 5 1>: error calling slice: can't slice item of type int>"},
    {"{{ slice nil 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <slice nil 1>: error calling slice: slice of untyped nil>"},
    {"{{ slice (query \"m\") 0 2 1 | len }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <slice (query \"m\") 0 2 1>: error calling slice: invalid slice index: 2 > 1>"},
    {"{{ eq 1 1.0 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <eq 1 1.0>: error calling eq: incompatible types for comparison: int and float64>"},
    {"{{ eq 1 \"1\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <eq 1 \"1\">: error calling eq: incompatible types for comparison: int and string>"},
    {"{{ eq 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <eq 1>: error calling eq: missing argument for comparison>"},
    {"{{ eq }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <eq>: wrong number of args for eq: want at least 1 got 0>"},
    {"{{ eq $labels $labels }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <eq $labels $labels>: error calling eq: non-comparable type map[__name__:up "
     "instance:host.example.com:9100 job:node \303\251:\303\274]: map[string]string>"},
    {"{{ eq $labels 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <eq $labels 1>: error calling eq: incompatible types for comparison: map[string]string and "
     "int>"},
    {"{{ eq . . }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <eq . .>: error calling eq: non-comparable type {map[__name__:up instance:host.example.com:9100 "
     "job:node \303\251:\303\274] map[region:eu] http://testhost:9090/path/prefix %!s(float64=1.5)}: struct { Labels "
     "map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }>"},
    {"{{ lt 1 1.0 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <lt 1 1.0>: error calling lt: incompatible types for comparison: int and float64>"},
    {"{{ lt true false }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <lt true false>: error calling lt: invalid type for comparison>"},
    {"{{ lt nil 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <lt nil 1>: error calling lt: invalid type for comparison>"},
    {"{{ lt $labels $labels }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <lt $labels $labels>: error calling lt: invalid type for comparison>"},
    {"{{ lt 1 \"a\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <lt 1 \"a\">: error calling lt: incompatible types for comparison: int and string>"},
    {"{{ if gt $value 1 }}big{{ end }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:118: executing "
     "\"__alert_A\" at <gt $value 1>: error calling gt: incompatible types for comparison: float64 and int>"},
    {"{{ and 1 0 2 }} {{ and 1 2 }} {{ or 0 \"\" 3 }} {{ or 0 \"\" }}| {{ not 0 }} {{ not \"a\" }} {{ not nil }} {{ "
     "and }}",
     1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:216: executing "
     "\"__alert_A\" at <and>: wrong number of args for and: want at least 1 got 0>"},
    {"{{ and true (index \"a\" 99) }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:125: executing "
     "\"__alert_A\" at <index \"a\" 99>: error calling index: index out of range: 99>"},
    {"{{ 1 | and 2 }} {{ 0 | or 0 }} {{ 5 | and 0 }} {{ nil | or }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:162: executing "
     "\"__alert_A\" at <nil>: nil is not a command>"},
    {"{{ not }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <not>: wrong number of args for not: want 1 got 0>"},
    {"{{ not 1 2 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <not>: wrong number of args for not: want 1 got 2>"},
    {"{{ toTime \"x\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <toTime \"x\">: error calling toTime: strconv.ParseFloat: parsing \"x\": invalid syntax>"},
    {"{{ toTime 1e300 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <toTime 1e300>: error calling toTime: 1e+300 cannot be represented as a nanoseconds timestamp "
     "since it overflows int64>"},
    {"{{ (toTime 1e300).Year }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:116: executing "
     "\"__alert_A\" at <toTime 1e300>: error calling toTime: 1e+300 cannot be represented as a nanoseconds timestamp "
     "since it overflows int64>"},
    {"{{ toTime \"NaN\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <toTime \"NaN\">: error calling toTime: value is NaN or Inf>"},
    {"{{ humanizeTimestamp 1e10 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanizeTimestamp 1e10>: error calling humanizeTimestamp: 1e+10 cannot be represented as a "
     "nanoseconds timestamp since it overflows int64>"},
    {"{{ $t := toTime 1353755652.789 }}{{ $t.Nope }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:150: executing "
     "\"__alert_A\" at <$t.Nope>: can't evaluate field Nope in type *time.Time>"},
    {"{{ $t := toTime 1353755652.789 }}{{ $t.Format }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:150: executing "
     "\"__alert_A\" at <$t.Format>: wrong number of args for Format: want 1 got 0>"},
    {"{{ $t := toTime 1353755652.789 }}{{ $t.Format 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:158: executing "
     "\"__alert_A\" at <1>: expected string; found 1>"},
    {"{{ $t := toTime 1353755652.789 }}{{ $t.Year 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:150: executing "
     "\"__alert_A\" at <$t.Year>: wrong number of args for Year: want 0 got 1>"},
    {"{{ $t := toTime 1353755652.789 }}{{ $t.Add 1.5 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:155: executing "
     "\"__alert_A\" at <1.5>: expected integer; found 1.5>"},
    {"{{ $t := toTime 1353755652.789 }}{{ $t.Add \"x\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:155: executing "
     "\"__alert_A\" at <\"x\">: expected integer; found \"x\">"},
    {"{{ range toTime 0 }}{{ end }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:128: executing "
     "\"__alert_A\" at <0>: range can't iterate over 1970-01-01 00:00:00 +0000 UTC>"},
    {"{{ (args 1 nil).arg7.x }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:123: executing "
     "\"__alert_A\" at <nil>: nil pointer evaluating interface {}.x>"},
    {"{{ (args (args 5)).arg0.arg0 }} {{ (args 1).arg0.x }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:153: executing "
     "\"__alert_A\" at <1>: can't evaluate field x in type interface {}>"},
    {"{{ (args \"a\").arg0.x }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <\"a\">: can't evaluate field x in type interface {}>"},
    {"{{ title (args 1).arg0 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:127: executing "
     "\"__alert_A\" at <1>: wrong type for value; expected string; got int>"},
    {"{{ title (args 1).arg1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:127: executing "
     "\"__alert_A\" at <1>: wrong type for value; expected string; got interface {}>"},
    {"{{ humanize (args 1).arg1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanize (args 1).arg1>: error calling humanize: can't convert <nil> to float>"},
    {"{{ printf }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <printf>: wrong number of args for printf: want at least 1 got 0>"},
    {"{{ printf 1 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:122: executing "
     "\"__alert_A\" at <1>: expected string; found 1>"},
    {"{{ 3 | len }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:119: executing "
     "\"__alert_A\" at <len>: error calling len: len of type int>"},
    {"{{ printf \"%s\" ($labels.job) }} {{ ($labels).job }} {{ (index $labels \"job\") }} {{ ($labels.job).x }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:203: executing "
     "\"__alert_A\" at <$labels.job>: can't evaluate field x in type string>"},
    {"{{ with query \"m\" | first }}{{ .Value }}{{ .Labels.instance }}{{ .Nope }}{{ end }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:177: executing "
     "\"__alert_A\" at <.Nope>: can't evaluate field Nope in type *template.sample>"},
    {"{{ humanizeDuration 0 }} {{ humanizeDuration 1 }} {{ humanizeDuration 60 }} {{ humanizeDuration 3600 }} {{ "
     "humanizeDuration 86400 }} {{ humanizeDuration 90061.5 }} {{ humanizeDuration -184445 }} {{ humanizeDuration "
     "899.99 }} {{ humanizeDuration .1 }} {{ humanizeDuration .0001 }} {{ humanizeDuration 59.99999 }} {{ "
     "humanizeDuration 1e-30 }} {{ humanizeDuration 1e30 }} {{ humanizeDuration \"x1\" }}",
     1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:484: executing "
     "\"__alert_A\" at <humanizeDuration \"x1\">: error calling humanizeDuration: strconv.ParseFloat: parsing \"x1\": "
     "invalid syntax>"},
    {"{{ $labels.job.x }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:122: executing "
     "\"__alert_A\" at <$labels.job.x>: can't evaluate field x in type string>"},
    {"{{ . | title }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:119: executing "
     "\"__alert_A\" at <title>: wrong type for value; expected string; got struct { Labels map[string]string; "
     "ExternalLabels map[string]string; ExternalURL string; Value interface {} }>"},
    {"{{ .Value | title }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:124: executing "
     "\"__alert_A\" at <title>: wrong type for value; expected string; got float64>"},
    {"{{ .\303\251 }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <.\303\251>: can't evaluate field \303\251 in type struct { Labels map[string]string; "
     "ExternalLabels map[string]string; ExternalURL string; Value interface {} }>"},
    {"{{ nil | print }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <nil>: nil is not a command>"},
    {"{{ title \"a\" \"b\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <title>: wrong number of args for title: want 1 got 2>"},
    {"{{ \"a\" | title \"b\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:121: executing "
     "\"__alert_A\" at <title>: wrong number of args for title: want 1 got 2>"},
    {"{{ 1 | printf }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:119: executing "
     "\"__alert_A\" at <printf>: wrong type for value; expected string; got int>"},
    {"a\n{{ .Foo }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:2:3: executing \"__alert_A\" "
     "at <.Foo>: can't evaluate field Foo in type struct { Labels map[string]string; ExternalLabels map[string]string; "
     "ExternalURL string; Value interface {} }>"},
    {"a\nb\303\251 {{ .Foo }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:2:7: executing \"__alert_A\" "
     "at <.Foo>: can't evaluate field Foo in type struct { Labels map[string]string; ExternalLabels map[string]string; "
     "ExternalURL string; Value interface {} }>"},
    {"\n\n{{ define \"x\" }}\n {{ .Foo }}{{ end }}{{ template \"x\" . }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:4:4: executing \"x\" at "
     "<.Foo>: can't evaluate field Foo in type struct { Labels map[string]string; ExternalLabels map[string]string; "
     "ExternalURL string; Value interface {} }>"},
    {"{{ `a\nb` }}{{ .Foo }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:2:8: executing \"__alert_A\" "
     "at <.Foo>: can't evaluate field Foo in type struct { Labels map[string]string; ExternalLabels map[string]string; "
     "ExternalURL string; Value interface {} }>"},
    {"{{ toTime $value }}", 1e+21,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <toTime $value>: error calling toTime: 1e+21 cannot be represented as a nanoseconds timestamp "
     "since it overflows int64>"},
    {"{{ humanizeTimestamp $value }}", 1e+21,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanizeTimestamp $value>: error calling humanizeTimestamp: 1e+21 cannot be represented as a "
     "nanoseconds timestamp since it overflows int64>"},
    {"{{ toTime $value }}", 1e+20,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <toTime $value>: error calling toTime: 1e+20 cannot be represented as a nanoseconds timestamp "
     "since it overflows int64>"},
    {"{{ humanizeTimestamp $value }}", 1e+20,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanizeTimestamp $value>: error calling humanizeTimestamp: 1e+20 cannot be represented as a "
     "nanoseconds timestamp since it overflows int64>"},
    {"{{ toTime $value }}", 1.7976931348623157e+308,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <toTime $value>: error calling toTime: 1.7976931348623157e+308 cannot be represented as a "
     "nanoseconds timestamp since it overflows int64>"},
    {"{{ humanizeTimestamp $value }}", 1.7976931348623157e+308,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <humanizeTimestamp $value>: error calling humanizeTimestamp: 1.7976931348623157e+308 cannot be "
     "represented as a nanoseconds timestamp since it overflows int64>"},
    {"{{ $x := 1 }}{{ ne .Labels . }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:128: executing "
     "\"__alert_A\" at <ne .Labels .>: error calling ne: non-comparable types map[__name__:up "
     "instance:host.example.com:9100 job:node \303\251:\303\274]: map[string]string, struct { Labels "
     "map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }: {map[__name__:up "
     "instance:host.example.com:9100 job:node \303\251:\303\274] map[region:eu] http://testhost:9090/path/prefix "
     "1.5}>"},
    {"{{ eq $labels (toDuration 90.5) }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:115: executing "
     "\"__alert_A\" at <eq $labels (toDuration 90.5)>: error calling eq: non-comparable types map[__name__:up "
     "instance:host.example.com:9100 job:node \303\251:\303\274]: map[string]string, *time.Duration: 1m30.5s>"},
    {"{{ humanize \"1_000\" }} {{ humanizeDuration \"1e400\" }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:138: executing "
     "\"__alert_A\" at <humanizeDuration \"1e400\">: error calling humanizeDuration: strconv.ParseFloat: parsing "
     "\"1e400\": value out of range>"},
    {"{{ 1_0.5 }} {{ 1_0 }} {{ 0x_1F }} {{ 0xffffffffffffffff }}", 1.5,
     "<error expanding template: error executing template __alert_A: template: __alert_A:1:149: executing "
     "\"__alert_A\" at <0xffffffffffffffff>: 0xffffffffffffffff overflows int>"},
};

static void failures_are_told_in_gos_words(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        check_row(rows[i].text, rows[i].value, rows[i].want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_are_told_in_gos_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
