/* Prometheus' template functions. Every row was run with its functions on Go 1.26 (humanizeDuration and
 * humanizeTimestamp from prometheus/common 0.73, title from golang.org/x/text 0.43). */
#include "tests/unit/alerts/rules/template_support.h"

struct row {
    const char *text;
    double value;
    const char *want;
};

static const struct row rows[] = {
    {"{{ .Value }} {{ $value }} {{ .ExternalURL }} {{ $externalURL }} {{ .ExternalLabels.region }} {{ "
     "$externalLabels.region }}",
     1.5, "1.5 1.5 http://testhost:9090/path/prefix http://testhost:9090/path/prefix eu eu"},
    {"{{ range query \"m\" | sortByLabel \"instance\" }}{{ .Labels.instance }}{{ end }}", 1.5, "abc"},
    {"{{ range sortByLabel \"n\" (query \"m\") }}{{ .Labels.instance }}{{ end }}", 1.5, "acb"},
    {"{{ $r := query \"m\" }}{{ range sortByLabel \"instance\" $r }}{{ end }}{{ range $r }}{{ .Labels.instance }}{{ "
     "end }}",
     1.5, "abc"},
    {"{{ humanize (toDuration 5).Seconds }}", 1.5, "5"},
    {"{{ humanize \"inf\" }}{{ humanize \"-Infinity\" }}{{ humanize \"nan\" }}", 1.5, "+Inf-InfNaN"},
    {"{{ humanize \"1_000\" }}", 1.5, "1k"},
    {"{{ query \"m\" | first | value }}|{{ query \"m\" | first | label \"instance\" }}|{{ query \"m\" | first | "
     "strvalue }}|{{ query \"m\" | first }}",
     1.5, "21|b||{map[__name__:metric instance:b n:2] 21}"},
    {"{{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}|{{ reReplaceAll \"a\" \"b\" \"banana\" }}|{{ reReplaceAll \"\" \"-\" "
     "\"abc\" }}|{{ reReplaceAll \"x*\" \"-\" \"axb\" }}|{{ reReplaceAll \".*\" \"z\" \"a\\nb\" }}|{{ reReplaceAll "
     "\"(?P<k>\\\\w+)=(\\\\w+)\" \"${2}=$k\" \"a=b c=d\" }}",
     1.5, "xa|bbnbnb|-a-b-c-|-a-b-|z\nz|b=a d=c"},
    {"{{ match \"a+\" \"aa\" }} {{ match \"a+\" \"b\" }} {{ match \"a\" \"xay\" }} {{ match \"^a$\" \"xay\" }} {{ "
     "match \"a.b\" \"a\\nb\" }}",
     1.5, "true false true false false"},
    {"{{ title \"aa bb CC\" }} {{ toUpper \"a\303\251\303\237\" }} {{ toLower \"A\303\211\" }}", 1.5,
     "Aa Bb CC A\303\211\303\237 a\303\251"},
    {"{{ title $labels.nope }}", 1.5, ""},
    {"{{ graphLink \"up{a=\\\"b\\\"} > 1 + 2/3\" }} {{ tableLink \"up\" }} {{ urlQueryEscape \"a b&c=~\303\251\" }} {{ "
     "urlquery \"a b\" 1 2 \"c\" }}",
     1.5,
     "/graph?g0.expr=up%7Ba%3D%22b%22%7D+%3E+1+%2B+2%2F3&g0.tab=0 /graph?g0.expr=up&g0.tab=1 a+b%26c%3D~%C3%A9 "
     "a+b1+2c"},
    {"{{ pathPrefix }} {{ externalURL }} {{ now }}", 1.5,
     "/path/prefix http://testhost:9090/path/prefix 1.353755652e+09"},
    {"{{ parseDuration \"1h2m10ms\" }} {{ parseDuration \"-1h\" }} {{ parseDuration \"0\" }} {{ parseDuration "
     "\"1y2w3d\" }}",
     1.5, "3720.01 -3600 0 3.30048e+07"},
    {"{{ html nil }}{{ html .Labels.nope }}{{ html (query \"m\" | first) }}", 1.5,
     "&lt;no value&gt;{map[__name__:metric instance:b n:2] 21}"},
    {"{{ $s := query \"m\" | first }}{{ eq $s $s }} {{ eq $s nil }}", 1.5, "true false"},
    {"{{ print $labels }} {{ print (query \"m\" | first) }} {{ print . }}", 1.5,
     "map[__name__:up instance:host.example.com:9100 job:node \303\251:\303\274] &{map[__name__:metric instance:b n:2] "
     "21} {map[__name__:up instance:host.example.com:9100 job:node \303\251:\303\274] map[region:eu] "
     "http://testhost:9090/path/prefix 1.5}"},
    {"{{ print (toTime 0) (toDuration 90) }} {{ toTime 1.5 }} {{ toDuration 0.0015 }}", 1.5,
     "1970-01-01 00:00:00 +0000 UTC 1m30s 1970-01-01 00:00:01.5 +0000 UTC 1.5ms"},
    {"{{ humanizeTimestamp \"NaN\" }} {{ humanizeTimestamp 1435065584.128 }} {{ humanizeTimestamp -1.5 }} {{ "
     "humanizeTimestamp 9223372036 }}",
     1.5, "NaN 2015-06-23 13:19:44.128 +0000 UTC 1969-12-31 23:59:58.5 +0000 UTC 2262-04-11 23:47:16 +0000 UTC"},
    {"{{ (now | toTime).Format \"Mon Jan 2 15:04:05 2006\" }} {{ (\"-30m\" | parseDuration | toDuration | (now | "
     "toTime).Add).UnixMilli }}",
     1.5, "Sat Nov 24 11:14:12 2012 1353753852000"},
    {"{{ $t := toTime 1353755652.789 }}{{ $t.Format \"2006-01-02T15:04:05.000Z07:00 Monday January 02 _2 __2 002 06 1 "
     "01 3 03 PM pm 4 5 .000 ,999 MST -0700 -07 -07:00 Z0700 Janet Month _2006 2 .00x .0001\" }}",
     1.5,
     "2012-11-24T11:14:12.788Z Saturday November 24 24 329 329 12 11 11 11 11 AM am 14 12 .788 ,788 UTC +0000 +00 "
     "+00:00 Z Janet Month _2012 24 .78x .0011"},
    {"{{ $t := toTime 1353755652.789 }}{{ $t.Add 1000000000 }} {{ ($t.Add 1000000000).Before $t }} {{ $t.Equal $t }} "
     "{{ ($t.Sub (toTime 0)).Hours }} {{ $t.After (toTime 0) }} {{ (($t.Add 5).Sub $t).Nanoseconds }}",
     1.5, "2012-11-24 11:14:13.788 +0000 UTC false true 376043.23688555555 true 5"},
    {"{{ toDuration 1e300 }} {{ toDuration -1e300 }} {{ toDuration 0 }} {{ toDuration 1e-9 }} {{ toDuration 1.5e-6 }} "
     "{{ toDuration 0.1 }} {{ toDuration 86400 }} {{ toDuration -90.5 }}",
     1.5, "-2562047h47m16.854775808s -2562047h47m16.854775808s 0s 1ns 1.5\302\265s 100ms 24h0m0s -1m30.5s"},
    {"{{ range toDuration 0.000000003 }}x{{ end }}", 1.5, "xxx"},
    {"{{ if toTime 0 }}t{{ end }}{{ if toDuration 0 }}d{{ end }}{{ if query \"none\" }}q{{ else }}nq{{ end }}{{ if "
     "$labels }}l{{ end }}{{ if args }}a{{ else }}na{{ end }}{{ if . }}dot{{ end }}",
     1.5, "tdnqlnadot"},
    {"{{ (args 1 nil).arg1 }} {{ (args 1 nil).arg7 }} {{ print (args 1 nil).arg7 }} {{ $a := args \"x\" }}{{ $a.arg0 "
     "}} {{ title $a.arg0 }}",
     1.5, "<no value> <no value> <nil> x X"},
    {"{{ stripPort \"host:80\" }} {{ stripPort \"host\" }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"::1\" }} {{ "
     "stripPort \"[::1]\" }} {{ stripPort \":80\" }} {{ stripPort \"\" }} {{ stripPort \"[a]b:80\" }} {{ stripPort "
     "\"a]:80\" }} {{ stripPort \"a[:80\" }} {{ stripPort \"h:\" }} {{ stripPort \"[::1]::12345\" }}",
     1.5, "host host ::1 ::1 [::1]   [a]b:80 a]:80 a[:80 h [::1]::12345"},
    {"{{ stripDomain \"a.b.c:80\" }} {{ stripDomain \"a.b.c\" }} {{ stripDomain \"192.0.2.1:1\" }} {{ stripDomain "
     "\"[2001:db8::1]:1\" }} {{ stripDomain \"2001:db8::1\" }} {{ stripDomain \"\" }} {{ stripDomain \":80\" }} {{ "
     "stripDomain \"a:\" }} {{ stripDomain \"[a.b]:80\" }} {{ stripDomain \"01.2.3.4\" }} {{ stripDomain \"1.2.3\" }} "
     "{{ stripDomain \"::ffff:1.2.3.4\" }} {{ stripDomain \"fe80::1%eth0\" }} {{ stripDomain \"[a:b.c]:1\" }}",
     1.5, "a:80 a 192.0.2.1:1 [2001:db8::1]:1 2001:db8::1  :80 a a:80 01 1 ::ffff:1.2.3.4 fe80::1%eth0 [a:b]:1"},
    {"{{ with query \"m\" }}{{ . | first | value | humanize }}{{ end }}", 1.5, "21"},
    {"{{ humanize 0 }} {{ humanize 1 }} {{ humanize 1234567 }} {{ humanize .12 }} {{ humanize 999.96 }} {{ humanize "
     "1e30 }} {{ humanize 1e-30 }} {{ humanize -1500 }} {{ humanize 999999 }} {{ humanize 1e24 }} {{ humanize "
     "\"0.00001234\" }} {{ humanize -0.0 }}",
     1.5, "0 1 1.235M 120m 1000 1e+06Y 1e-06y -1.5k 1000k 1Y 12.34u -0"},
    {"{{ humanize1024 0 }} {{ humanize1024 1 }} {{ humanize1024 1048576 }} {{ humanize1024 0.12 }} {{ humanize1024 "
     "1e30 }} {{ humanize1024 -2048 }} {{ humanize1024 1023 }} {{ humanize1024 1023.99 }}",
     1.5, "0 1 1Mi 0.12 8.272e+05Yi -2ki 1023 1024"},
    {"{{ humanizeDuration 1e30 }} {{ humanizeDuration 1e18 }} {{ humanizeDuration -0.5 }} {{ humanizeDuration 1.2345 "
     "}} {{ humanizeDuration \"12.345\" }} {{ humanizeDuration \"+Inf\" }} {{ humanizePercentage -0.22222 }} {{ "
     "humanizePercentage 1.23456 }} {{ humanizePercentage 1234567 }} {{ humanizePercentage \"NaN\" }}",
     1.5,
     "-106751991167300d -15h -30m -8s 11574074074074d 1h 46m 40s -500ms 1.234s 12.35s +Inf -22.22% 123.5% 1.235e+08% "
     "NaN%"},
    {"{{ .Labels.instance | reReplaceAll \":.*\" \"\" }} {{ reReplaceAll \"(.*):(.*)\" \"$2:$1\" $labels.instance }} "
     "{{ reReplaceAll \"^\" \">\" \"a\" }} {{ reReplaceAll \"$\" \"<\" \"a\" }} {{ reReplaceAll \"\\\\b\" \"|\" \"ab "
     "cd\" }} {{ reReplaceAll \"a|ab\" \"X\" \"abab\" }} {{ reReplaceAll \"\303\251*\" \"-\" \"a\303\251b\" }} {{ "
     "reReplaceAll \"(?i)A\" \"$0$0\" \"aA\" }} {{ reReplaceAll \"(?m)^\" \"> \" \"a\\nb\" }} {{ reReplaceAll "
     "\"\\\\Qa.b\" \"x\" \"a.b.c\" }} {{ reReplaceAll \"(?s)a.b\" \"x\" \"a\\nb\" }} {{ reReplaceAll \"[^b]\" \"x\" "
     "\"a\\nb\" }}",
     1.5, "host.example.com 9100:host.example.com >a a< |ab| |cd| XbXb -a-b- aaAA > a\n> b x.c x xxb"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     0.0, "0 0 0s 0%"},
    {"{{ toDuration $value }}", 0.0, "0s"},
    {"{{ toTime $value }}", 0.0, "1970-01-01 00:00:00 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 0.0, "1970-01-01 00:00:00 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     1000000.0, "1M 976.6ki 11d 13h 46m 40s 1e+08%"},
    {"{{ toDuration $value }}", 1000000.0, "277h46m40s"},
    {"{{ toTime $value }}", 1000000.0, "1970-01-12 13:46:40 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 1000000.0, "1970-01-12 13:46:40 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     123456.0, "123.5k 120.6ki 1d 10h 17m 36s 1.235e+07%"},
    {"{{ toDuration $value }}", 123456.0, "34h17m36s"},
    {"{{ toTime $value }}", 123456.0, "1970-01-02 10:17:36 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 123456.0, "1970-01-02 10:17:36 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     1234567.0, "1.235M 1.177Mi 14d 6h 56m 7s 1.235e+08%"},
    {"{{ toDuration $value }}", 1234567.0, "342h56m7s"},
    {"{{ toTime $value }}", 1234567.0, "1970-01-15 06:56:07 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 1234567.0, "1970-01-15 06:56:07 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     999999.5, "1000k 976.6ki 11d 13h 46m 39s 1e+08%"},
    {"{{ toDuration $value }}", 999999.5, "277h46m39.5s"},
    {"{{ toTime $value }}", 999999.5, "1970-01-12 13:46:39.5 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 999999.5, "1970-01-12 13:46:39.5 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     0.0001, "100u 0.0001 100us 0.01%"},
    {"{{ toDuration $value }}", 0.0001, "100\302\265s"},
    {"{{ toTime $value }}", 0.0001, "1970-01-01 00:00:00 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 0.0001, "1970-01-01 00:00:00 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     1e-05, "10u 1e-05 10us 0.001%"},
    {"{{ toDuration $value }}", 1e-05, "10\302\265s"},
    {"{{ toTime $value }}", 1e-05, "1970-01-01 00:00:00 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 1e-05, "1970-01-01 00:00:00 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     1e+21, "1Z 867.4Ei -106751991167300d -15h -30m -8s 1e+23%"},
    {"{{ toDuration $value }}", 1e+21, "-2562047h47m16.854775808s"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     1e+20, "100E 86.74Ei -106751991167300d -15h -30m -8s 1e+22%"},
    {"{{ toDuration $value }}", 1e+20, "-2562047h47m16.854775808s"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     5e-324, "4.941e-300y 4.941e-324 4.941e-300ys 4.941e-322%"},
    {"{{ toDuration $value }}", 5e-324, "0s"},
    {"{{ toTime $value }}", 5e-324, "1970-01-01 00:00:00 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 5e-324, "1970-01-01 00:00:00 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     1.7976931348623157e+308, "1.798e+284Y 1.487e+284Yi -106751991167300d -15h -30m -8s +Inf%"},
    {"{{ toDuration $value }}", 1.7976931348623157e+308, "-2562047h47m16.854775808s"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     0.1, "100m 0.1 100ms 10%"},
    {"{{ toDuration $value }}", 0.1, "100ms"},
    {"{{ toTime $value }}", 0.1, "1970-01-01 00:00:00.1 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 0.1, "1970-01-01 00:00:00.1 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     0.3333333333333333, "333.3m 0.3333 333.3ms 33.33%"},
    {"{{ toDuration $value }}", 0.3333333333333333, "333.333333ms"},
    {"{{ toTime $value }}", 0.3333333333333333, "1970-01-01 00:00:00.333 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 0.3333333333333333, "1970-01-01 00:00:00.333 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     2.5, "2.5 2.5 2.5s 250%"},
    {"{{ toDuration $value }}", 2.5, "2.5s"},
    {"{{ toTime $value }}", 2.5, "1970-01-01 00:00:02.5 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 2.5, "1970-01-01 00:00:02.5 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     100000.0, "100k 97.66ki 1d 3h 46m 40s 1e+07%"},
    {"{{ toDuration $value }}", 100000.0, "27h46m40s"},
    {"{{ toTime $value }}", 100000.0, "1970-01-02 03:46:40 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 100000.0, "1970-01-02 03:46:40 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     1e-07, "100n 1e-07 100ns 1e-05%"},
    {"{{ toDuration $value }}", 1e-07, "100ns"},
    {"{{ toTime $value }}", 1e-07, "1970-01-01 00:00:00 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 1e-07, "1970-01-01 00:00:00 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     123456789.0, "123.5M 117.7Mi 1428d 21h 33m 9s 1.235e+10%"},
    {"{{ toDuration $value }}", 123456789.0, "34293h33m9s"},
    {"{{ toTime $value }}", 123456789.0, "1973-11-29 21:33:09 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 123456789.0, "1973-11-29 21:33:09 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     100.0, "100 100 1m 40s 1e+04%"},
    {"{{ toDuration $value }}", 100.0, "1m40s"},
    {"{{ toTime $value }}", 100.0, "1970-01-01 00:01:40 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", 100.0, "1970-01-01 00:01:40 +0000 UTC"},
    {"{{ humanize $value }} {{ humanize1024 $value }} {{ humanizeDuration $value }} {{ humanizePercentage $value }}",
     -17.25, "-17.25 -17.25 -17.25s -1725%"},
    {"{{ toDuration $value }}", -17.25, "-17.25s"},
    {"{{ toTime $value }}", -17.25, "1969-12-31 23:59:42.75 +0000 UTC"},
    {"{{ humanizeTimestamp $value }}", -17.25, "1969-12-31 23:59:42.75 +0000 UTC"},
    {"{{ title \"don't stop\" }} {{ title \"a.b a..b x-y _z 3rd\" }} {{ title \"o\342\200\231neil \307\206\" }}", 1.5,
     "Don't Stop A.b A..B X-Y _Z 3Rd O\342\200\231neil \307\205"},
    {"{{ reReplaceAll \"a\" \"$$\" \"bab\" }} {{ reReplaceAll \"(a)(x)?\" \"[$2]\" \"bab\" }} {{ reReplaceAll \"b*\" "
     "\"-\" \"abbbc\" }}",
     1.5, "b$b b[]b -a-c-"},
};

static void functions_are_those_of_prometheus(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        check_row(rows[i].text, rows[i].value, rows[i].want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_those_of_prometheus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
