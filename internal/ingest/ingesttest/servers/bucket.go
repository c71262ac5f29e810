package servers

import (
	"cmp"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Bucket is a server of the API of Amazon S3 with one bucket, which checks the
// signatures of requests (AWS Signature Version 4).
type Bucket struct {
	// URL is its address, Name the bucket, Region where it is.
	URL, Name, Region string
	// ID and Secret are the access key that it knows.
	ID, Secret string
	// PageSize is how many objects a page of a listing has at most.
	PageSize int
	// NoConditions passes over conditions of requests that delete, as some servers do.
	NoConditions bool
	// Before, if it is set, sees each request with its lock held, and reports whether
	// it has answered it. After sees it when it was done, but not answered.
	Before func(w http.ResponseWriter, r *http.Request, operation string) bool
	After  func(operation string)

	mu       sync.Mutex
	objects  map[string]Object
	requests map[string]int
}

// Object is an object in a Bucket.
type Object struct {
	Content []byte
	ETag    string
	Tags    map[string]string
}

// NewBucket starts a server until the test ends.
func NewBucket(t testing.TB) *Bucket {
	s := &Bucket{Name: "reports", Region: "eu-test-1", ID: "AKIATEST", Secret: "s3cr3t-in-a-test", PageSize: 1000, objects: make(map[string]Object), requests: make(map[string]int)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Put writes an object.
func (s *Bucket) Put(key string, content []byte) {
	s.Lock(func() { s.Write(key, content) })
}

// Write is Put for those who hold the lock.
func (s *Bucket) Write(key string, content []byte) {
	s.objects[key] = Object{Content: content, ETag: fmt.Sprintf("%x", md5.Sum(content)), Tags: map[string]string{}}
}

// Remove deletes an object.
func (s *Bucket) Remove(key string) { s.Lock(func() { delete(s.objects, key) }) }

// Lock calls f while no request is served.
func (s *Bucket) Lock(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Objects returns the objects whose keys begin with prefix.
func (s *Bucket) Objects(prefix string) map[string]Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[string]Object)
	for key, o := range s.objects {
		if strings.HasPrefix(key, prefix) {
			found[key] = o
		}
	}
	return found
}

// Requests returns how many requests of a kind were made: list, get, stat, copy,
// remove, tags or tag.
func (s *Bucket) Requests(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[operation]
}

// operation names a request.
func operation(r *http.Request, key string) string {
	tagging := r.URL.Query().Has("tagging")
	switch {
	case key == "" && r.Method == http.MethodGet:
		return "list"
	case r.Method == http.MethodDelete:
		return "remove"
	case r.Method == http.MethodHead:
		return "stat"
	case r.Method == http.MethodPut && tagging:
		return "tag"
	case r.Method == http.MethodPut:
		return "copy"
	case tagging:
		return "tags"
	}
	return "get"
}

// ServeHTTP answers a request.
func (s *Bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	op := operation(r, key)
	s.requests[op]++
	if s.Before != nil && s.Before(w, r, op) {
		return
	}
	if !s.signed(w, r) {
		return
	}
	if bucket != s.Name {
		Refuse(w, http.StatusNotFound, "NoSuchBucket")
		return
	}
	answer := httptest.NewRecorder()
	s.serve(answer, r, op, key)
	if s.After != nil {
		s.After(op)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// Refuse answers with an error.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no: %s</Message></Error>", code, code)
}

// serve does what a request asks for.
func (s *Bucket) serve(w http.ResponseWriter, r *http.Request, op, key string) {
	if op == "list" {
		s.list(w, r.URL.Query())
		return
	}
	if op == "copy" {
		s.copy(w, r, key)
		return
	}
	o, ok := s.objects[key]
	match := strings.Trim(r.Header.Get("If-Match"), `"`)
	switch {
	case !ok && op == "remove":
		w.WriteHeader(http.StatusNoContent)
		return
	case !ok:
		Refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	case match != "" && match != o.ETag && (op != "remove" || !s.NoConditions):
		Refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	switch op {
	case "remove":
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case "tags":
		answer := taggingXML{}
		for _, name := range slices.Sorted(maps.Keys(o.Tags)) {
			answer.Tags = append(answer.Tags, tagXML{name, o.Tags[name]})
		}
		writeXML(w, answer)
	case "tag":
		var set taggingXML
		if err := xml.NewDecoder(r.Body).Decode(&set); err != nil {
			Refuse(w, http.StatusBadRequest, "MalformedXML")
			return
		}
		o.Tags = make(map[string]string)
		for _, tag := range set.Tags {
			o.Tags[tag.Key] = tag.Value
		}
		s.objects[key] = o
	default:
		w.Header().Set("ETag", `"`+o.ETag+`"`)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", strconv.Itoa(len(o.Content)))
		if op == "get" {
			_, _ = w.Write(o.Content)
		}
	}
}

// copy copies an object within the bucket.
func (s *Bucket) copy(w http.ResponseWriter, r *http.Request, key string) {
	from, err := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
	o, ok := s.objects[strings.TrimPrefix(from, s.Name+"/")]
	match := strings.Trim(r.Header.Get("X-Amz-Copy-Source-If-Match"), `"`)
	switch {
	case err != nil || !ok:
		Refuse(w, http.StatusNotFound, "NoSuchKey")
	case match != "" && match != o.ETag:
		Refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
	default:
		s.objects[key] = o
		fmt.Fprintf(w, "<CopyObjectResult><ETag>%q</ETag></CopyObjectResult>", o.ETag)
	}
}

type tagXML struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

type taggingXML struct {
	XMLName xml.Name `xml:"Tagging"`
	Tags    []tagXML `xml:"TagSet>Tag"`
}

type listXML struct {
	XMLName   xml.Name `xml:"ListBucketResult"`
	Encoding  string   `xml:"EncodingType,omitempty"`
	Truncated bool     `xml:"IsTruncated"`
	Next      string   `xml:"NextContinuationToken,omitempty"`
	Contents  []keyXML
}

type keyXML struct {
	Key, ETag    string
	LastModified time.Time
	Size         int
}

// list answers with a page of the objects; the token is the last key of the one before.
func (s *Bucket) list(w http.ResponseWriter, query url.Values) {
	most, err := strconv.Atoi(cmp.Or(query.Get("max-keys"), "1000"))
	if err != nil || query.Get("list-type") != "2" {
		Refuse(w, http.StatusBadRequest, "InvalidArgument")
		return
	}
	page := listXML{Encoding: query.Get("encoding-type")}
	after := query.Get("continuation-token")
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, query.Get("prefix")) || key <= after {
			continue
		}
		if len(page.Contents) == min(most, s.PageSize) {
			page.Truncated = true
			break
		}
		page.Next = key
		o := s.objects[key]
		if page.Encoding == "url" {
			key = url.QueryEscape(key)
		}
		page.Contents = append(page.Contents, keyXML{key, `"` + o.ETag + `"`, time.Now().UTC(), len(o.Content)})
	}
	if !page.Truncated {
		page.Next = ""
	}
	writeXML(w, page)
}

func writeXML(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(answer)
}

// signed checks the signature of a request, and refuses it without a good one.
func (s *Bucket) signed(w http.ResponseWriter, r *http.Request) bool {
	const skew = 15 * time.Minute
	fields := make(map[string]string)
	for field := range strings.SplitSeq(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", date)
	switch {
	case len(scope) != 5:
		Refuse(w, http.StatusForbidden, "AccessDenied")
	case err != nil || time.Since(at).Abs() > skew:
		Refuse(w, http.StatusForbidden, "RequestTimeTooSkewed")
	case scope[0] != s.ID:
		Refuse(w, http.StatusForbidden, "InvalidAccessKeyId")
	case scope[2] != s.Region:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong region</Message><Region>%s</Region></Error>", s.Region)
	case fields["Signature"] != s.signature(r, scope, date, fields["SignedHeaders"]):
		Refuse(w, http.StatusForbidden, "SignatureDoesNotMatch")
	default:
		return true
	}
	return false
}

// signature is what the signature of a request must be.
func (s *Bucket) signature(r *http.Request, scope []string, date, headers string) string {
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		_, _ = io.WriteString(h, text)
		return h.Sum(nil)
	}
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
	canonical := r.Method + "\n" + r.URL.EscapedPath() + "\n" + query + "\n"
	for name := range strings.SplitSeq(headers, ";") {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		canonical += name + ":" + strings.TrimSpace(value) + "\n"
	}
	canonical += "\n" + headers + "\n" + r.Header.Get("X-Amz-Content-Sha256")
	digest := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + s.Secret)
	for _, part := range scope[1:] {
		key = mac(key, part)
	}
	text := "AWS4-HMAC-SHA256\n" + date + "\n" + strings.Join(scope[1:], "/") + "\n" + hex.EncodeToString(digest[:])
	return hex.EncodeToString(mac(key, text))
}
