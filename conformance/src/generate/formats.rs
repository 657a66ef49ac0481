//! Templates: every function and every construct, over whatever fields the lines have.

use super::Generator;
use super::sources::Fields;

/// Pieces of templates. `@F`, `@N`, `@D` and `@B` stand for a field with text, a number, a duration and a size.
const PIECES: &[&str] = &[
    "{{.@F}}",
    "{{ .@F }}/{{ .app }}",
    "{{.nosuch}}",
    "{{ __line__ }}",
    "{{ __line__ | trunc 20 }}",
    "{{ trunc -5 .@F }}",
    "{{ .@F | ToLower }}",
    "{{ ToUpper .@F }}",
    "{{ ToLower __line__ | ToUpper }}",
    "{{ .@F | ToUpper | ToLower }}",
    "{{ .@F | lower | title }}",
    "{{ upper .@F }}",
    "{{ title __line__ }}",
    "{{ Replace .@F \"e\" \"3\" -1 }}",
    "{{ .@F | replace \"o\" \"0\" }}",
    "{{ replace \"=\" \": \" __line__ }}",
    "{{ Replace __line__ \" \" \"_\" 2 }}",
    "{{ Replace .app \"\" \"-\" 2 | replace \"-\" \"\" }}",
    "{{ Trim .@F \"eo\" }}",
    "{{ TrimLeft .@F \"rwg\" }}{{ TrimRight .@F \"rne\" }}",
    "{{ TrimPrefix .@F \"e\" }}",
    "{{ TrimSuffix .@F \"r\" }}",
    "{{ TrimSpace .@F }}",
    "{{ .@F | trim }}",
    "{{ trimAll \"aeiou\" .@F }}",
    "{{ Trim __line__ \"{}\" | trimAll \"\\\"\" }}",
    "{{ .@F | trimPrefix \"G\" | trimSuffix \"T\" }}",
    "{{ trimPrefix \"in\" .@F }}{{ trimSuffix \"fo\" .@F }}",
    "{{ TrimLeft __line__ \"{\" }}",
    "{{ TrimRight __line__ \"}\" }}",
    "{{ TrimPrefix __line__ \"lev\" }}{{ TrimSuffix __line__ \"}\" }}",
    "{{ TrimSpace __line__ }}{{ trim __line__ }}",
    "{{ substr 0 3 .@F }}",
    "{{ substr 1 -1 .@F }}",
    "{{ if contains \"o\" .@F }}o{{ else }}-{{ end }}",
    "{{ if hasPrefix \"G\" .@F }}G{{ end }}",
    "{{ if .@F | hasSuffix \"r\" }}r{{ end }}",
    "{{ contains \"1\" .@N }} {{ hasPrefix \"1\" .@N }} {{ hasSuffix \"0\" .@N }}",
    "{{ indent 2 .@F }}",
    "{{ nindent 3 .@F }}",
    "{{ indent 1 __line__ }}{{ nindent 1 .app }}",
    "{{ repeat 2 .@F }}",
    "{{ .@F | repeat -1 }}",
    "{{ alignLeft 6 .@F }}|{{ alignRight 4 .app }}",
    "{{ .@F | alignLeft 2 }}{{ __line__ | alignRight 7 }}",
    "{{ regexReplaceAll \"([0-9]+)\" __line__ \"<$1>\" }}",
    "{{ regexReplaceAll \"(?P<v>[a-z])(.)\" .@F \"${2}${v}\" }}",
    "{{ regexReplaceAllLiteral \"[aeiou]\" .@F \"$1\" }}",
    "{{ regexReplaceAllLiteral \"\\\\d\" __line__ \"#\" }}",
    "{{ count \"[a-z]+\" __line__ }}",
    "{{ .@F | count \"e\" }}",
    "{{ urlencode .@F }}",
    "{{ __line__ | urlencode | urldecode }}",
    "{{ urldecode .@F }}",
    "{{ b64enc .@F }} {{ .@F | b64enc | b64dec }}",
    "{{ b64dec .@F }}",
    "{{ bytes .@B }}",
    "{{ .@B | bytes | int }}",
    "{{ duration .@D }}",
    "{{ duration_seconds .@D }}",
    "{{ duration_seconds \"1m30s\" }}",
    "{{ .@D | duration | mulf 1000 }}",
    "{{ __timestamp__ | unixEpoch }}",
    "{{ unixEpochMillis __timestamp__ }}",
    "{{ __timestamp__ | unixEpochMillis }}{{ __timestamp__ | unixEpochNanos }}",
    "{{ __timestamp__ | unixEpochNanos }}",
    "{{ __timestamp__ }}",
    "{{ __timestamp__ | unixEpoch | unixToTime }}",
    "{{ unixToTime .@N }}",
    "{{ (__timestamp__ | unixEpochMillis | unixToTime).Year }}",
    "{{ date \"2006-01-02T15:04:05.000Z07:00\" __timestamp__ }}",
    "{{ __timestamp__ | date \"Mon Jan _2 15:04\" }}",
    "{{ toDate \"2006-01-02\" \"2026-11-19\" | unixEpoch }}",
    "{{ \"19/Nov/2026:10:00:01\" | toDate \"02/Jan/2006:15:04:05\" | date \"15:04\" }}",
    "{{ toDateInZone \"2006-01-02 15:04\" \"Europe/Berlin\" \"2026-07-01 12:00\" }}",
    "{{ toDateInZone \"2006-01-02\" \"Nowhere\" .@F | unixEpoch }}",
    "{{ now | date \"2006\" }}",
    "{{ if (__timestamp__).Before now }}past{{ else }}future{{ end }}",
    "{{ int .@N }}",
    "{{ float64 .@N }}",
    "{{ int \"010\" }} {{ float64 \"1e3\" }}",
    "{{ add 1 .@N }}",
    "{{ add 1 2 3 }}",
    "{{ sub .@N 7 }}",
    "{{ mul .@N 3 2 }}",
    "{{ mul .@N -1 | mod 100 }}",
    "{{ mod 17 5 }}{{ mul 6 7 }}{{ sub 3 4 }}",
    "{{ div .@N 7 }}",
    "{{ div 1 .@N }}",
    "{{ mod .@N 5 }}",
    "{{ max 1 .@N 100 }} {{ min 1 .@N 100 }}",
    "{{ min .@N 3 }}{{ max .@N 3 }}",
    "{{ addf 0.1 .@N }}",
    "{{ subf .@N 0.5 }}",
    "{{ mulf .@N 1.5 }}",
    "{{ divf .@N 3 }}",
    "{{ divf 1 0 }}",
    "{{ addf 0.1 0.2 }} {{ subf 1 0.9 }} {{ mulf 1000000 1 }} {{ divf 1 3 }}",
    "{{ maxf 1.5 .@N }} {{ minf 1.5 .@N }}",
    "{{ minf .@N 2 }}{{ maxf .@N 2 }}",
    "{{ ceil .@N }} {{ floor .@N }}",
    "{{ floor 2.7 }}{{ ceil 2.1 }}",
    "{{ round .@N 1 }}",
    "{{ round -2.5 0 }} {{ round 2.444 2 .6 }}",
    "{{ (fromJson \"{\\\"a\\\":{\\\"b\\\":2500000}}\").a.b }}",
    "{{ range fromJson \"[1,2.5,null,true,\\\"x\\\"]\" }}{{ . }};{{ end }}",
    "{{ fromJson __line__ }}",
    "{{ range $k, $v := (fromJson __line__) }}{{ $k }}={{ $v }} {{ end }}",
    "{{ default \"none\" .nosuch }}",
    "{{ .@F | default \"-\" }}",
    // Go's own functions.
    "{{ and .@F \"yes\" }}",
    "{{ if and (eq .app \"json\") (ne .@F \"\") }}A{{ else if or .@F .nosuch }}B{{ end }}",
    "{{ or .nosuch .@F \"x\" }}",
    "{{ not .nosuch }} {{ not .@F }}",
    "{{ len .@F }} {{ len . }}",
    "{{ index . \"@F\" }}",
    "{{ index .@F 0 }}",
    "{{ slice .@F 0 2 }}",
    "{{ slice .@F 1 }}",
    "{{ print .@F 1 2 \"x\" }}",
    "{{ print 1.5 true nil }}",
    "{{ printf \"%-8s|%5s|%q\" .@F .app .@F }}",
    "{{ printf \"%d %05d %x %+d\" 42 7 255 3 }}",
    "{{ printf \"%.2f %e %g %8.3f\" 3.14159 1500.0 0.000001 2.5 }}",
    "{{ printf \"%v %T %t %%\" .@N .@N true }}",
    "{{ printf \"%d\" .@N }}",
    "{{ println .@F 1 }}",
    "{{ print .@N }}{{ println }}",
    "{{ html .@F }}{{ html \"<a b='c'>&\" }}",
    "{{ js .@F }}{{ js \"<a>\\\"\\n'\" }}",
    "{{ urlquery .@F .app }}",
    "{{ call .@F }}",
    "{{ call nil 1 }}",
    "{{ urlquery __line__ }}",
    "{{ eq .@F \"error\" \"warn\" }} {{ ne .@F \"x\" }}",
    "{{ lt .@N \"5\" }} {{ le .@N \"5\" }} {{ gt .@N \"5\" }} {{ ge .@N \"5\" }}",
    "{{ if lt (int .@N) 200 }}low{{ else if ge (int .@N) 500 }}high{{ else }}mid{{ end }}",
    "{{ if gt (float64 .@N) 1.5 }}>{{ end }}{{ if le 1 2 }}<={{ end }}",
    "{{ eq 1 .@F }}",
    // Constructs.
    "{{ if eq .@F \"error\" }}E{{ else }}-{{ end }}",
    "{{ with .@F }}[{{ . }}]{{ else }}none{{ end }}",
    "{{ with $x := .@F | upper }}{{ $x }}{{ end }}",
    "{{ range $k, $v := . }}{{ $k }}={{ $v }} {{ end }}",
    "{{ range . }}{{ . }},{{ else }}nothing{{ end }}",
    "{{ range $i, $v := (fromJson \"[3,4,5]\") }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ $v }}{{ if ge $i 1 }}{{ break }}{{ end }}{{ end }}",
    "{{ range fromJson \"[1,2,3]\" }}{{ if gt . 1.5 }}{{ break }}{{ end }}{{ if lt . 0.5 }}{{ continue }}{{ end }}n{{ . }}{{ end }}",
    "{{ $x := .@F }}{{ $x = upper $x }}{{ $x }}{{ $x }}",
    "{{ $n := int .@N }}{{ if gt $n 3 }}{{ $n = 3 }}{{ end }}{{ $n }}",
    "{{ define \"part\" }}<{{ .app }}>{{ end }}{{ template \"part\" . }}",
    "{{ block \"b\" .@F }}({{ . }}){{ end }}",
    "{{- /* a comment */ -}} {{- .@F -}}  ",
    "a {{- .@F }} b {{ .app -}} c",
    "{{ $.@F }}{{ $ | len }}",
    "{{ .@F.app }}",
    "{{ with .@F.x }}{{ . }}{{ end }}",
    "{{ (printf \"%s\" .@F).x }}",
    "{{ \"literal\" }}{{ `raw` }}{{ 'c' }}{{ 0x1F }}{{ 1e3 }}{{ true }}",
    "{{ ((.@F | upper) | lower) }}",
    "{{ eq nil .@F }}",
    "{{ if not nil }}{{ true }}{{ end }}",
    "{{ if ne .app nil }}x{{ end }}",
    "{{ nil }}",
    "{{ nope .@F }}",
];

impl Generator {
    /// One to three pieces with some text between.
    pub(super) fn template(&mut self, fields: Fields) -> String {
        let mut template = String::new();
        for _ in 0..self.pick(&[1, 2, 2, 3, 4]) {
            template.push_str(self.pick(&["", "", " ", "x=", "é "]));
            let piece = self.piece();
            let names: Vec<&str> = fields.texts.iter().map(|(name, _)| *name).collect();
            let mut fill = |mark: &str, names: &[&'static str], piece: String| {
                if !piece.contains(mark) {
                    return piece;
                }
                let name = if names.is_empty() { "app" } else { self.pick(names) };
                piece.replace(mark, name)
            };
            let piece = fill("@F", &names, piece.to_owned());
            let piece = fill("@N", fields.numbers, piece);
            let piece = fill("@D", fields.durations, piece);
            template += &fill("@B", fields.bytes, piece);
        }
        template
    }

    /// Those that do not parse come rarely: they make the whole query fail.
    fn piece(&mut self) -> &'static str {
        loop {
            let piece = self.pick(PIECES);
            if !matches!(
                piece,
                "{{ nil }}" | "{{ nope .@F }}" | "{{ (printf \"%s\" .@F).x }}" | "{{ print 1.5 true nil }}"
            ) || self.chance(20)
            {
                return piece;
            }
        }
    }
}
