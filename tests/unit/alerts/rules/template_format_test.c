/* printf and the printing of numbers: every row was run with Go 1.26. */
#include "tests/unit/alerts/rules/template_support.h"

struct row {
    const char *text;
    double value;
    const char *want;
};

static const struct row rows[] = {
    {"{{ $t := toTime 1353755652.789 }}{{ $t.Year }} {{ $t.Month }} {{ $t.Day }} {{ $t.Hour }} {{ $t.Minute }} {{ "
     "$t.Second }} {{ $t.Nanosecond }} {{ $t.Weekday }} {{ $t.YearDay }} {{ $t.Unix }} {{ $t.UnixNano }} {{ "
     "$t.UnixMicro }} {{ $t.UTC }} {{ $t.String }} {{ printf \"%d\" $t.Month }} {{ printf \"%d\" $t.Weekday }}",
     1.5,
     "2012 November 24 11 14 12 788000000 Saturday 329 1353755652 1353755652788000000 1353755652788000 2012-11-24 "
     "11:14:12.788 +0000 UTC 2012-11-24 11:14:12.788 +0000 UTC 11 6"},
    {"{{ $d := toDuration 3723.5 }}{{ $d }} {{ $d.Hours }} {{ $d.Minutes }} {{ $d.Seconds }} {{ $d.Milliseconds }} {{ "
     "$d.String }} {{ $d.Microseconds }} {{ $d.Nanoseconds }} {{ $d.Abs }} {{ $d.Round 60000000000 }} {{ $d.Truncate "
     "60000000000 }} {{ printf \"%v %s %q %T\" $d $d $d $d }} {{ printf \"%d\" $d.Abs }} {{ printf \"%T\" $d.Abs }}",
     1.5,
     "1h2m3.5s 1.0343055555555556 62.05833333333333 3723.5 3723500 1h2m3.5s 3723500000 3723500000000 1h2m3.5s 1h2m0s "
     "1h2m0s 1h2m3.5s 1h2m3.5s \"1h2m3.5s\" *time.Duration 3723500000000 time.Duration"},
    {"{{ printf \"%\" 1 }}", 1.5, "%!(NOVERB)%!(EXTRA int=1)"},
    {"{{ printf \"%.2f\" \"a\" }} {{ printf \"%d\" 1.5 }} {{ printf \"%s\" 5 }} {{ printf \"%d\" \"x\" }} {{ printf "
     "\"%z\" 1 }} {{ printf \"%!\" }} {{ printf \"%s\" }} {{ printf \"a\" 1 2 \"x\" nil }} {{ printf \"%d %d\" 1 }} {{ "
     "printf \"%s\" nil }} {{ printf \"%v\" nil }} {{ printf \"%d\" nil }}",
     1.5,
     "%!f(string=a) %!d(float64=1.5) %!s(int=5) %!d(string=x) %!z(int=1) %!!(MISSING) %!s(MISSING) a%!(EXTRA int=1, "
     "int=2, string=x, <nil>) 1 %!d(MISSING) %!s(<nil>) <nil> %!d(<nil>)"},
    {"{{ printf \"%s\" true }} {{ printf \"%t\" 1 }} {{ printf \"%t|%5t|%-7t|\" true false true }}", 1.5,
     "%!s(bool=true) %!t(int=1) true|false|true   |"},
    {"{{ printf \"%v\" $labels }} {{ printf \"%s\" $labels }} {{ printf \"%q\" $labels }} {{ printf \"%d\" $labels }} "
     "{{ printf \"%+v\" . }} {{ printf \"%#v\" $labels }} {{ printf \"%v\" (query \"m\" | first) }} {{ printf \"%+v\" "
     "(query \"m\" | first) }} {{ printf \"%s\" (query \"m\" | first) }}",
     1.5,
     "map[__name__:up instance:host.example.com:9100 job:node \303\251:\303\274] map[__name__:up "
     "instance:host.example.com:9100 job:node \303\251:\303\274] map[\"__name__\":\"up\" "
     "\"instance\":\"host.example.com:9100\" \"job\":\"node\" \"\303\251\":\"\303\274\"] "
     "map[%!d(string=__name__):%!d(string=up) %!d(string=instance):%!d(string=host.example.com:9100) "
     "%!d(string=job):%!d(string=node) %!d(string=\303\251):%!d(string=\303\274)] {Labels:map[__name__:up "
     "instance:host.example.com:9100 job:node \303\251:\303\274] ExternalLabels:map[region:eu] "
     "ExternalURL:http://testhost:9090/path/prefix Value:1.5} map[string]string{\"__name__\":\"up\", "
     "\"instance\":\"host.example.com:9100\", \"job\":\"node\", \"\303\251\":\"\303\274\"} &{map[__name__:metric "
     "instance:b n:2] 21} &{Labels:map[__name__:metric instance:b n:2] Value:21} &{map[__name__:metric instance:b n:2] "
     "%!s(float64=21)}"},
    {"{{ printf \"%T %T %T %T %T %T %T %T\" 1 1.5 \"a\" true $labels (query \"m\") (query \"m\" | first) (args) }} {{ "
     "printf \"%T\" . }} {{ printf \"%T\" nil }} {{ printf \"%10T|\" 1 }} {{ printf \"%T\" (index \"abc\" 1) }} {{ "
     "printf \"%T\" (toTime 1) }} {{ printf \"%T\" (safeHtml \"a\") }}",
     1.5,
     "int float64 string bool map[string]string template.queryResult *template.sample map[string]interface {} struct { "
     "Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} } <nil>       "
     " int| uint8 *time.Time template.HTML"},
    {"{{ printf \"%w\" 1 }} {{ printf \"%\303\251\" 1 }} {{ printf \"100%%\" }} {{ printf \"%5%|\" }} {{ printf "
     "\"%.3v\" \"abcdef\" }} {{ printf \"%.f\" 2.5 }} {{ printf \"%.\" 2.5 }} {{ printf \"% d\" 5 }} {{ printf "
     "\"%+.3e\" 12345.678 }}",
     1.5, "%!w(int=1) %!\303\251(int=1) 100% %| abc 2 %!.(float64=2.5)  5 +1.235e+04"},
    {"{{ printf \"%p\" 1 }}", 1.5, "%!p(int=1)"},
    {"{{ printf \"%s\" (toTime 0) }} {{ printf \"%v\" (toTime 0) }} {{ printf \"%30v|\" (toTime 0) }} {{ printf \"%x\" "
     "\"h\303\251\" }} {{ printf \"%X\" \"hello\" }} {{ printf \"% x\" \"abc\" }} {{ printf \"%#x\" \"abc\" }} {{ "
     "printf \"%# X\" \"abc\" }} {{ printf \"%.2x\" \"abc\" }} {{ printf \"%10x|\" \"ab\" }} {{ printf \"%-10x|\" "
     "\"ab\" }} {{ printf \"%010x|\" \"ab\" }} {{ printf \"%5x|\" \"\" }}",
     1.5,
     "1970-01-01 00:00:00 +0000 UTC 1970-01-01 00:00:00 +0000 UTC  1970-01-01 00:00:00 +0000 UTC| 68c3a9 68656C6C6F 61 "
     "62 63 0x616263 0X61 0X62 0X63 6162       6162| 6162      | 0000006162|      |"},
    {"{{ printf \"%q\" \"a\\\"b\\n\\x00\303\251\\u200b\\xff\" }} {{ printf \"%+q\" \"\303\251\360\237\230\200\" }} {{ "
     "printf \"%#q\" \"a`b\" }} {{ printf \"%#q\" \"ab\" }} {{ printf \"%q\" 'x' }} {{ printf \"%q\" 128512 }} {{ "
     "printf \"%+q\" 233 }} {{ printf \"%c\" 233 }} {{ printf \"%5c|\" 65 }} {{ printf \"%U\" 233 }} {{ printf \"%#U\" "
     "233 }} {{ printf \"%.6U\" 233 }} {{ printf \"%12U|\" 233 }} {{ printf \"%q\" 39 }} {{ printf \"%c\" -1 }} {{ "
     "printf \"%U\" -1 }}",
     1.5,
     "\"a\\\"b\\n\\x00\303\251\\u200b\\xff\" \"\\u00e9\\U0001f600\" \"a`b\" `ab` 'x' '\360\237\230\200' '\\u00e9' "
     "\303\251     A| U+00E9 U+00E9 '\303\251' U+0000E9       U+00E9| '\\'' \357\277\275 U+FFFFFFFFFFFFFFFF"},
    {"{{ printf \"%5d|%-5d|%05d|%+d|% d|%x|%X|%#x|%o|%#o|%O|%b|%#b|%.3d|%8.3d|%-8.3d|%08.3d\" 42 42 42 42 42 42 42 42 "
     "42 42 42 42 42 42 42 42 42 }} {{ printf \"%d %x %05d %+d %b %o\" -42 -42 -42 -42 -42 -42 }} {{ printf "
     "\"%.0d|%5.0d|\" 0 0 }} {{ printf \"%#o\" 0 }} {{ printf \"%#.5o\" 8 }} {{ printf \"%-05d|\" 42 }} {{ printf "
     "\"%+05d|\" 42 }} {{ printf \"% 05d|\" 42 }} {{ printf \"%#08x\" 255 }}",
     1.5,
     "   42|42   |00042|+42| 42|2a|2A|0x2a|52|052|0o52|101010|0b101010|042|     042|042     |     042 -42 -2a -0042 "
     "-42 -101010 -52 |     | 0 00010 42   | +0042|  0042| 0x000000ff"},
    {"{{ printf \"%5s|%-5s|%05s|%.2s|%5.1s|%5s|\" \"abc\" \"abc\" \"abc\" \"abc\" \"abc\" \"\303\251\" }} {{ printf "
     "\"%-05s|\" \"ab\" }} {{ printf \"%5v|\" nil }} {{ printf \"%05t\" true }} {{ printf \"%5q|\" \"a\" }}",
     1.5, "  abc|abc  |00abc|ab|    a|    \303\251| ab   | <nil>| 0true   \"a\"|"},
    {"{{ printf \"%v %v\" (index \"abc\" 1) 3 }} {{ printf \"%#v %#v %#v %#v\" \"a\" 1 1.5 (index \"abc\" 1) }} {{ "
     "printf \"%#v\" true }} {{ printf \"%#v\" nil }} {{ printf \"%#v\" (args 1 \"a\") }}",
     1.5, "98 3 \"a\" 1 1.5 0x62 true <nil> map[string]interface {}{\"arg0\":1, \"arg1\":\"a\"}"},
    {"{{ print \"a\" | printf \"%s-%s\" \"b\" }} {{ \"x\" | printf \"%s\" | printf \"%q\" }} {{ $value | printf "
     "\"%.1f\" | title }}",
     1.5, "b-a \"x\" 1.5"},
    {"{{ .Labels.job | toUpper | printf \"%10s|\" }}", 1.5, "      NODE|"},
    {"{{ printf \"%.2f%%\" 12.345 }} {{ printf \"%.3g\" 12345.678 }} {{ printf \"%6.2f|\" 3.14159 }} {{ printf "
     "\"%-8.2f|\" 3.14159 }} {{ printf \"%08.2f\" -3.14159 }} {{ printf \"%+.2f\" 3.14 }} {{ printf \"% .2f\" 3.14 }} "
     "{{ printf \"%e\" 123456.789 }} {{ printf \"%E\" 123456.789 }} {{ printf \"%G\" 1e-10 }} {{ printf \"%g\" "
     "100000.0 }} {{ printf \"%g\" 1000000.0 }} {{ printf \"%#g\" 1.0 }} {{ printf \"%#.3g\" 1.0 }} {{ printf \"%#f\" "
     "1.0 }} {{ printf \"%#.0f\" 1.0 }} {{ printf \"%x\" 1.5 }} {{ printf \"%X\" 0.1 }} {{ printf \"%.2x\" 3.14159 }} "
     "{{ printf \"%b\" 1.0 }} {{ printf \"%x\" 0.0 }} {{ printf \"%F\" 1.5 }} {{ printf \"%.0f\" 0.5 }} {{ printf "
     "\"%.0f\" 1.5 }} {{ printf \"%.1f\" 0.25 }} {{ printf \"%.15x\" 1.1 }} {{ printf \"%.0x\" 1.9 }} {{ printf "
     "\"%#x\" 1.0 }} {{ printf \"%#.2x\" 1.0 }}",
     1.5,
     "12.35% 1.23e+04   3.14| 3.14    | -0003.14 +3.14  3.14 1.234568e+05 1.234568E+05 1E-10 100000 1e+06 1.00000 1.00 "
     "1.000000 1. 0x1.8p+00 0X1.999999999999AP-04 0x1.92p+01 4503599627370496p-52 0x0p+00 1.500000 0 2 0.2 "
     "0x1.199999999999a00p+00 0x1p+01 0x1.0000p+00 0x1.00p+00"},
    {"{{ printf \"%5.1f|%-7.1f|%07.1f\" $value $value $value }} {{ printf \"%v\" $value }} {{ printf \"%10v|\" $value "
     "}} {{ printf \"%d\" $value }} {{ printf \"%s\" $value }}",
     1.5, "  1.5|1.5    |00001.5 1.5        1.5| %!d(float64=1.5) %!s(float64=1.5)"},
    {"{{ 1 | printf \"%d\" 2 }}", 1.5, "2%!(EXTRA int=1)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     0.0,
     "0 0.000000e+00 0.000000 0 0.00 0 0x0p+00 0X0P+00 0p-1074 0 0 0   0.0 0 0 0.00000 0.000 0e+00 "
     "0.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     0.0,
     "0x0.000p+00 0x0p+00 000000.000 +0  0 0           |            0 %!s(float64=0) %!d(float64=0) %!q(float64=0) "
     "%!t(float64=0) %!c(float64=0)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     1000000.0,
     "1e+06 1.000000e+06 1000000.000000 1e+06 1000000.00 1E+06 0x1.e848p+19 0X1.E848P+19 8589934592000000p-33 1e+06 "
     "1e+06 1e+06 1000000.0 1000000 1000000 1.00000e+06 1.000e+06 1e+06 1000000.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     1000000.0,
     "0x1.e84p+19 0x1p+20 1000000.000 +1e+06  1e+06 1e+06       |        1e+06 %!s(float64=1e+06) %!d(float64=1e+06) "
     "%!q(float64=1e+06) %!t(float64=1e+06) %!c(float64=1e+06)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     123456.0,
     "123456 1.234560e+05 123456.000000 1.23e+05 123456.00 123456 0x1.e24p+16 0X1.E24P+16 8483831719919616p-36 123456 "
     "123456 123456 123456.0 123456 123456 123456. 1.235e+05 1e+05 123456.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     123456.0,
     "0x1.e24p+16 0x1p+17 123456.000 +123456  123456 123456      |       123456 %!s(float64=123456) "
     "%!d(float64=123456) %!q(float64=123456) %!t(float64=123456) %!c(float64=123456)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     1234567.0,
     "1.234567e+06 1.234567e+06 1234567.000000 1.23e+06 1234567.00 1.234567E+06 0x1.2d687p+20 0X1.2D687P+20 "
     "5302424889720832p-32 1.234567e+06 1.234567e+06 1.234567e+06 1234567.0 1234567 1234567 1.234567e+06 1.235e+06 "
     "1e+06 1234567.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     1234567.0,
     "0x1.2d7p+20 0x1p+20 1234567.000 +1.234567e+06  1.234567e+06 1.234567e+06| 1.234567e+06 %!s(float64=1.234567e+06) "
     "%!d(float64=1.234567e+06) %!q(float64=1.234567e+06) %!t(float64=1.234567e+06) %!c(float64=1.234567e+06)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     999999.5,
     "999999.5 9.999995e+05 999999.500000 1e+06 999999.50 999999.5 0x1.e847fp+19 0X1.E847FP+19 8589930297032704p-33 "
     "999999.5 999999.5 999999.5 999999.5 1000000 999999.5 999999.5 1.000e+06 1e+06 999999.50000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     999999.5,
     "0x1.e84p+19 0x1p+20 999999.500 +999999.5  999999.5 999999.5    |     999999.5 %!s(float64=999999.5) "
     "%!d(float64=999999.5) %!q(float64=999999.5) %!t(float64=999999.5) %!c(float64=999999.5)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     0.0001,
     "0.0001 1.000000e-04 0.000100 0.0001 0.00 0.0001 0x1.a36e2eb1c432dp-14 0X1.A36E2EB1C432DP-14 7378697629483821p-66 "
     "0.0001 0.0001 0.0001   0.0 0 0.0001 0.000100000 0.0001000 1e-04 0.00010000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     0.0001,
     "0x1.a37p-14 0x1p-13 000000.000 +0.0001  0.0001 0.0001      |       0.0001 %!s(float64=0.0001) "
     "%!d(float64=0.0001) %!q(float64=0.0001) %!t(float64=0.0001) %!c(float64=0.0001)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     1e-05,
     "1e-05 1.000000e-05 0.000010 1e-05 0.00 1E-05 0x1.4f8b588e368f1p-17 0X1.4F8B588E368F1P-17 5902958103587057p-69 "
     "1e-05 1e-05 1e-05   0.0 0 1e-05 1.00000e-05 1.000e-05 1e-05 0.00001000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     1e-05,
     "0x1.4f9p-17 0x1p-17 000000.000 +1e-05  1e-05 1e-05       |        1e-05 %!s(float64=1e-05) %!d(float64=1e-05) "
     "%!q(float64=1e-05) %!t(float64=1e-05) %!c(float64=1e-05)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     1e+21,
     "1e+21 1.000000e+21 1000000000000000000000.000000 1e+21 1000000000000000000000.00 1E+21 0x1.b1ae4d6e2ef5p+69 "
     "0X1.B1AE4D6E2EF5P+69 7629394531250000p+17 1e+21 1e+21 1e+21 1000000000000000000000.0 1000000000000000000000 "
     "1e+21 1.00000e+21 1.000e+21 1e+21 1000000000000000000000.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     1e+21,
     "0x1.b1bp+69 0x1p+70 1000000000000000000000.000 +1e+21  1e+21 1e+21       |        1e+21 %!s(float64=1e+21) "
     "%!d(float64=1e+21) %!q(float64=1e+21) %!t(float64=1e+21) %!c(float64=1e+21)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     1e+20,
     "1e+20 1.000000e+20 100000000000000000000.000000 1e+20 100000000000000000000.00 1E+20 0x1.5af1d78b58c4p+66 "
     "0X1.5AF1D78B58C4P+66 6103515625000000p+14 1e+20 1e+20 1e+20 100000000000000000000.0 100000000000000000000 1e+20 "
     "1.00000e+20 1.000e+20 1e+20 100000000000000000000.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     1e+20,
     "0x1.5afp+66 0x1p+66 100000000000000000000.000 +1e+20  1e+20 1e+20       |        1e+20 %!s(float64=1e+20) "
     "%!d(float64=1e+20) %!q(float64=1e+20) %!t(float64=1e+20) %!c(float64=1e+20)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     5e-324,
     "5e-324 4.940656e-324 0.000000 4.94e-324 0.00 5E-324 0x1p-1074 0X1P-1074 1p-1074 5e-324 5e-324 5e-324   0.0 0 "
     "4.940656458e-324 5.00000e-324 4.941e-324 5e-324 0.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     5e-324,
     "0x1.000p-1074 0x1p-1074 000000.000 +5e-324  5e-324 5e-324      |       5e-324 %!s(float64=5e-324) "
     "%!d(float64=5e-324) %!q(float64=5e-324) %!t(float64=5e-324) %!c(float64=5e-324)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     1.7976931348623157e+308,
     "1.7976931348623157e+308 1.797693e+308 "
     "17976931348623157081452742373170435679807056752584499659891747680315726078002853876058955863276687817154045895351"
     "43824642343213268894641827684675467035375169860499105765512820762454900903893289440758685084551339423045832369032"
     "22948165808559332123348274797826204144723168738177180919299881250404026184124858368.000000 1.8e+308 "
     "17976931348623157081452742373170435679807056752584499659891747680315726078002853876058955863276687817154045895351"
     "43824642343213268894641827684675467035375169860499105765512820762454900903893289440758685084551339423045832369032"
     "22948165808559332123348274797826204144723168738177180919299881250404026184124858368.00 1.7976931348623157E+308 "
     "0x1.fffffffffffffp+1023 0X1.FFFFFFFFFFFFFP+1023 9007199254740991p+971 1.7976931348623157e+308 "
     "1.7976931348623157e+308 1.7976931348623157e+308 "
     "17976931348623157081452742373170435679807056752584499659891747680315726078002853876058955863276687817154045895351"
     "43824642343213268894641827684675467035375169860499105765512820762454900903893289440758685084551339423045832369032"
     "22948165808559332123348274797826204144723168738177180919299881250404026184124858368.0 "
     "17976931348623157081452742373170435679807056752584499659891747680315726078002853876058955863276687817154045895351"
     "43824642343213268894641827684675467035375169860499105765512820762454900903893289440758685084551339423045832369032"
     "22948165808559332123348274797826204144723168738177180919299881250404026184124858368 1.797693135e+308 "
     "1.7976931348623157e+308 1.798e+308 2e+308 "
     "17976931348623157081452742373170435679807056752584499659891747680315726078002853876058955863276687817154045895351"
     "43824642343213268894641827684675467035375169860499105765512820762454900903893289440758685084551339423045832369032"
     "22948165808559332123348274797826204144723168738177180919299881250404026184124858368.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     1.7976931348623157e+308,
     "0x1.000p+1024 0x1p+1024 "
     "17976931348623157081452742373170435679807056752584499659891747680315726078002853876058955863276687817154045895351"
     "43824642343213268894641827684675467035375169860499105765512820762454900903893289440758685084551339423045832369032"
     "22948165808559332123348274797826204144723168738177180919299881250404026184124858368.000 +1.7976931348623157e+308 "
     " 1.7976931348623157e+308 1.7976931348623157e+308| 1.7976931348623157e+308 %!s(float64=1.7976931348623157e+308) "
     "%!d(float64=1.7976931348623157e+308) %!q(float64=1.7976931348623157e+308) %!t(float64=1.7976931348623157e+308) "
     "%!c(float64=1.7976931348623157e+308)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     0.1,
     "0.1 1.000000e-01 0.100000 0.1 0.10 0.1 0x1.999999999999ap-04 0X1.999999999999AP-04 7205759403792794p-56 0.1 0.1 "
     "0.1   0.1 0 0.1 0.100000 0.1000 1e-01 0.10000000000000000555"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     0.1,
     "0x1.99ap-04 0x1p-03 000000.100 +0.1  0.1 0.1         |          0.1 %!s(float64=0.1) %!d(float64=0.1) "
     "%!q(float64=0.1) %!t(float64=0.1) %!c(float64=0.1)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     0.3333333333333333,
     "0.3333333333333333 3.333333e-01 0.333333 0.333 0.33 0.3333333333333333 0x1.5555555555555p-02 "
     "0X1.5555555555555P-02 6004799503160661p-54 0.3333333333333333 0.3333333333333333 0.3333333333333333   0.3 0 "
     "0.3333333333 0.3333333333333333 0.3333 3e-01 0.33333333333333331483"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     0.3333333333333333,
     "0x1.555p-02 0x1p-02 000000.333 +0.3333333333333333  0.3333333333333333 0.3333333333333333| 0.3333333333333333 "
     "%!s(float64=0.3333333333333333) %!d(float64=0.3333333333333333) %!q(float64=0.3333333333333333) "
     "%!t(float64=0.3333333333333333) %!c(float64=0.3333333333333333)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     2.5,
     "2.5 2.500000e+00 2.500000 2.5 2.50 2.5 0x1.4p+01 0X1.4P+01 5629499534213120p-51 2.5 2.5 2.5   2.5 2 2.5 2.50000 "
     "2.500 2e+00 2.50000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     2.5,
     "0x1.400p+01 0x1p+01 000002.500 +2.5  2.5 2.5         |          2.5 %!s(float64=2.5) %!d(float64=2.5) "
     "%!q(float64=2.5) %!t(float64=2.5) %!c(float64=2.5)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     100000.0,
     "100000 1.000000e+05 100000.000000 1e+05 100000.00 100000 0x1.86ap+16 0X1.86AP+16 6871947673600000p-36 100000 "
     "100000 100000 100000.0 100000 100000 100000. 1.000e+05 1e+05 100000.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     100000.0,
     "0x1.86ap+16 0x1p+17 100000.000 +100000  100000 100000      |       100000 %!s(float64=100000) "
     "%!d(float64=100000) %!q(float64=100000) %!t(float64=100000) %!c(float64=100000)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     1e-07,
     "1e-07 1.000000e-07 0.000000 1e-07 0.00 1E-07 0x1.ad7f29abcaf48p-24 0X1.AD7F29ABCAF48P-24 7555786372591432p-76 "
     "1e-07 1e-07 1e-07   0.0 0 1e-07 1.00000e-07 1.000e-07 1e-07 0.00000010000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     1e-07,
     "0x1.ad8p-24 0x1p-23 000000.000 +1e-07  1e-07 1e-07       |        1e-07 %!s(float64=1e-07) %!d(float64=1e-07) "
     "%!q(float64=1e-07) %!t(float64=1e-07) %!c(float64=1e-07)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     123456789.0,
     "1.23456789e+08 1.234568e+08 123456789.000000 1.23e+08 123456789.00 1.23456789E+08 0x1.d6f3454p+26 "
     "0X1.D6F3454P+26 8285044862877696p-26 1.23456789e+08 1.23456789e+08 1.23456789e+08 123456789.0 123456789 "
     "123456789 1.23456789e+08 1.235e+08 1e+08 123456789.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     123456789.0,
     "0x1.d6fp+26 0x1p+27 123456789.000 +1.23456789e+08  1.23456789e+08 1.23456789e+08| 1.23456789e+08 "
     "%!s(float64=1.23456789e+08) %!d(float64=1.23456789e+08) %!q(float64=1.23456789e+08) %!t(float64=1.23456789e+08) "
     "%!c(float64=1.23456789e+08)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     100.0,
     "100 1.000000e+02 100.000000 100 100.00 100 0x1.9p+06 0X1.9P+06 7036874417766400p-46 100 100 100 100.0 100 100 "
     "100.000 100.0 1e+02 100.00000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     100.0,
     "0x1.900p+06 0x1p+07 000100.000 +100  100 100         |          100 %!s(float64=100) %!d(float64=100) "
     "%!q(float64=100) %!t(float64=100) %!c(float64=100)"},
    {"{{ printf \"%g %e %f %.3g %.2f %G %x %X %b %v %#v %+v %5.1f %.0f %.10g %#g %#.4g %.0e %.20f\" $value $value "
     "$value $value $value $value $value $value $value $value $value $value $value $value $value $value $value $value "
     "$value }}",
     -17.25,
     "-17.25 -1.725000e+01 -17.250000 -17.2 -17.25 -17.25 -0x1.14p+04 -0X1.14P+04 -4855443348258816p-48 -17.25 -17.25 "
     "-17.25 -17.2 -17 -17.25 -17.2500 -17.25 -2e+01 -17.25000000000000000000"},
    {"{{ printf \"%.3x %.0x %010.3f %+g % g %-12g| %12g %s %d %q %t %c\" $value $value $value $value $value $value "
     "$value $value $value $value $value $value }}",
     -17.25,
     "-0x1.140p+04 -0x1p+04 -00017.250 -17.25 -17.25 -17.25      |       -17.25 %!s(float64=-17.25) "
     "%!d(float64=-17.25) %!q(float64=-17.25) %!t(float64=-17.25) %!c(float64=-17.25)"},
    {"{{ printf \"%d\" (args 1 \"b\" nil) }}", 1.5,
     "map[%!d(string=arg0):1 %!d(string=arg1):%!d(string=b) %!d(string=arg2):<nil>]"},
};

static void formats_are_those_of_go(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        check_row(rows[i].text, rows[i].value, rows[i].want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_those_of_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
