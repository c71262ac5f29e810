package dr

import (
	"fmt"
	"strings"
	"testing"
)

// chain is the list of backups, "timeline:first:last" each, which stop a minute
// after each other, the first at 1000.
func chain(backups ...string) string {
	var all []string
	for i, b := range backups {
		var timeline, first, last int
		if _, err := fmt.Sscanf(b, "%d:%d:%d", &timeline, &first, &last); err != nil {
			panic(err)
		}
		all = append(all, fmt.Sprintf(
			`{"label":"B%d","error":false,"type":"full","database":{"id":1,"repo-key":1},"timestamp":{"start":1,"stop":%d},"archive":{"start":"%s","stop":"%s"}}`,
			i+1, 1000+60*i, segment(timeline, first), segment(timeline, last),
		))
	}
	return `[{"name":"main","archive":[{"id":"15-1","database":{"id":1,"repo-key":1}}],"db":[{"id":1,"repo-key":1,"version":"15"}],"backup":[` + strings.Join(all, ",") + `]}]`
}

func segment(timeline, n int) string { return fmt.Sprintf("%08X%08X%08X", timeline, n/256, n%256) }

// archive is the listing of segments, "timeline:from-to" each, and of histories,
// "timeline.history". They came a second after each other, the first at 990.
func archive(parts ...string) string {
	var all []string
	at := 990
	for _, part := range parts {
		var timeline, from, to int
		if n, _ := fmt.Sscanf(part, "%d:%d-%d", &timeline, &from, &to); n == 3 {
			for i := from; i <= to; i++ {
				name := segment(timeline, i)
				all = append(all, fmt.Sprintf(`"%s/%s-%s.zst":{"type":"file","size":1,"time":%d}`, name[:16], name, strings.Repeat("a", 40), at))
				at++
			}
			continue
		}
		fmt.Sscanf(part, "%d.history", &timeline)
		all = append(all, fmt.Sprintf(`"%08X.history":{"type":"file","size":1,"time":%d}`, timeline, at))
	}
	return "{" + strings.Join(all, ",") + "}"
}

// TestChain finds every gap in the WAL between the backups and now, on the
// timelines that a recovery would read, and none that is not one.
func TestChain(t *testing.T) {
	t.Parallel()
	// Timeline 2 left 1 in segment 10, timeline 3 left 2 in segment 300.
	const second, third = "1\t0/A000100\tno recovery target specified\n", "1\t0/A000100\tbefore 2026\n2\t1/2C000000\tbefore 2026\n"
	tests := []struct {
		name, info, listing, history string
		now                          string
		want                         string // timeline:number, or why it cannot be known
		lacks                        string
	}{
		{"whole", chain("1:2:3"), archive("1:2-9"), "", segment(1, 9), "1:0", ""},
		{"what is older than the backups is not needed", chain("1:4:5"), archive("1:1-2", "1:4-9"), "", segment(1, 9), "1:0", ""},
		{"one is missing in the middle", chain("1:2:3"), archive("1:2-5", "1:7-9"), "", segment(1, 9), "1:1", segment(1, 6)},
		{"before the newest backup", chain("1:2:3", "1:7:8"), archive("1:2-5", "1:7-9"), "", segment(1, 9), "1:1", segment(1, 6)},
		{"the end is missing: the server has archived more", chain("1:2:3"), archive("1:2-7"), "", segment(1, 9), "1:2", segment(1, 8)},
		{"the server is down: what came last is the end", chain("1:2:3"), archive("1:2-7"), "", "", "1:0", ""},
		{"what makes the backup consistent is missing", chain("1:2:3"), archive("1:2-2", "1:4-9"), "", segment(1, 9), "1:1", segment(1, 3)},
		{"over the end of a log file", chain("1:254:255"), archive("1:254-258"), "", segment(1, 258), "1:0", ""},
		{"a timeline that left another", chain("1:2:3"), archive("1:2-9", "2.history", "2:10-12"), second, segment(2, 12), "2:0", ""},
		{"the segment in which it left is read from the new one", chain("1:2:3"), archive("1:2-10", "2.history", "2:11-12"), second, segment(2, 12), "2:1", segment(2, 10)},
		{"a gap before it left", chain("1:2:3"), archive("1:2-7", "1:9-9", "2.history", "2:10-12"), second, segment(2, 12), "1:1", segment(1, 8)},
		{"what was left is not needed", chain("1:2:3", "2:11:11"), archive("1:2-9", "1:11-11", "2.history", "2:10-12"), second, segment(2, 12), "2:0", ""},
		{"but by a backup that was made there", chain("1:2:3", "1:12:14"), archive("1:2-9", "1:12-12", "1:14-14", "2.history", "2:10-12"), second, segment(2, 12), "1:1", segment(1, 13)},
		{"the way back: the first timeline goes on", chain("1:2:3", "2:11:11"), archive("1:2-9", "2.history", "2:10-12", "1:10-12"), second, segment(1, 12), "1:0", ""},
		{"two timelines on", chain("1:2:3"), archive("1:2-9", "2.history", "2:10-299", "3.history", "3:300-301"), third, segment(3, 301), "3:0", ""},
		{"two timelines on, with a gap", chain("1:2:3"), archive("1:2-9", "2.history", "2:10-298", "3.history", "3:300-301"), third, segment(3, 301), "2:1", segment(2, 299)},
		{"no backup", chain(), archive("1:2-9"), "", segment(1, 9), "holds no good backup", ""},
		{"no WAL at all", chain("1:2:3"), "{}", "", "", "holds no WAL", ""},
		{"no list", "[]", "{}", "", "", "has no archive", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, map[string]string{"verify": report("ok", 900, 0, 0), "info": tt.info, "repo-ls": tt.listing, "repo-get": tt.history})
			if tt.now != "" {
				s.write("stub/psql", tt.now+"\n")
			}
			out, metrics, ok := s.run("backup_verify.prom", "dr-verify", "--no-restore")
			timeline, n, known := strings.Cut(tt.want, ":")
			if !known {
				if ok || !strings.Contains(out, tt.want) || strings.Contains(metrics, "missing_segments{") {
					t.Errorf("ok %t, want …%s…\n%s\n%s", ok, tt.want, metrics, out)
				}
				return
			}
			if want := fmt.Sprintf("\ndr_archive_missing_segments{repo=\"1\",timeline=\"%s\"} %s\n", timeline, n); !strings.Contains(metrics, want) {
				t.Errorf("want %s in\n%s\n%s", want, metrics, out)
			}
			if ok != (n == "0") || !strings.Contains(out, tt.lacks) {
				t.Errorf("ok %t, want …%s…\n%s", ok, tt.lacks, out)
			}
		})
	}
}

// TestArchivedMeanwhile archives a segment while the archive is read: it is not missing.
func TestArchivedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]string{
		"verify": report("ok", 900, 0, 0), "info": chain("1:2:3"), "repo-ls": archive("1:2-9"),
		"psql": segment(1, 9) + "\n", "psql.after": segment(1, 10) + "\n",
	})
	if out, metrics, ok := s.run("backup_verify.prom", "dr-verify", "--no-restore"); !ok {
		t.Errorf("not good:\n%s\n%s", metrics, out)
	}
}

// TestTimelineOfARestore holds which timeline and which backup a restore takes
// when nobody says: those that were production's at the time.
func TestTimelineOfARestore(t *testing.T) {
	t.Parallel()
	// Production was on 1 until segment 12, was restored to segment 10 as 2, and then
	// went back to the kept cluster, which went on from 13.
	info := chain("1:2:3", "2:11:11")
	listing := archive("1:2-12", "2.history", "2:10-70", "1:13-20")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"while it was on the first", []string{"--target-time", "@1000"}, "backup B1 of repository 1 @1000 on timeline 1 "},
		{"while it was on the second", []string{"--target-time", "@1003"}, "backup B1 of repository 1 @1003 on timeline 2 "},
		{"on the second, from its own backup", []string{"--target-time", "@1061"}, "backup B2 of repository 1 @1061 on timeline 2 "},
		{"after the way back", []string{"--target-time", "@1065"}, "backup B1 of repository 1 @1065 on timeline 1 "},
		{"the end of the archive", nil, "backup B1 of repository 1 to the end of the archive on timeline 1 "},
		{"another timeline", []string{"--target-time", "@1065", "--timeline", "2"}, "backup B2 of repository 1 @1065 on timeline 2 "},
		{"before the first backup", []string{"--target-time", "@999"}, "no backup from which timeline 1 reaches @999"},
		{"nonsense", []string{"--target-time", "yesterday-ish"}, "--target-time wants a time"},
		{"a repository that is not there", []string{"--repo", "7"}, "--repo is one of 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, map[string]string{"info": info, "repo-ls": listing, "repo-get": "1\t0/A000100\tbefore 2026\n"})
			if out := s.asUser("dr-restore", append([]string{"--data", s.dir + "/new", "--dry-run"}, tt.args...)...); !strings.Contains(out, tt.want) {
				t.Errorf("want …%s…\n%s", tt.want, out)
			}
		})
	}
}
