// Package schematest makes JSON schemas of Go types, for tests that hold those in
// docs/schemas to them. Descriptions are the comments of the fields, and the values
// of a named string are its constants.
package schematest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Schema is what a schema says besides the type.
type Schema struct {
	File   string // in docs/schemas
	Title  string
	Strict bool // nothing else may be there; for what people write
}

// Check compares a schema in docs/schemas with a type, and writes it anew instead if
// that is wanted.
func Check(t *testing.T, update bool, s Schema, value any) {
	t.Helper()
	m := maker{t: t, strict: s.Strict, parsed: map[string]*source{}}
	all := m.of(reflect.TypeOf(value))
	all.Schema, all.Title = "https://json-schema.org/draft/2020-12/schema", s.Title
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(all); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root(), "docs", "schemas", s.File)
	if update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("docs/schemas/%s is not what the type says; write it anew with: make golden", s.File)
	}
}

// node is a schema, its words in the order in which they are read.
type node struct {
	Schema      string           `json:"$schema,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        any              `json:"type,omitempty"`
	Format      string           `json:"format,omitempty"`
	Encoding    string           `json:"contentEncoding,omitempty"`
	Enum        []string         `json:"enum,omitempty"`
	Minimum     *int             `json:"minimum,omitempty"`
	Items       *node            `json:"items,omitempty"`
	Properties  map[string]*node `json:"properties,omitempty"`
	Required    []string         `json:"required,omitempty"`
	Others      any              `json:"additionalProperties,omitempty"`
}

type maker struct {
	t      *testing.T
	strict bool
	parsed map[string]*source
}

func (m *maker) of(t reflect.Type) *node {
	zero := 0
	switch {
	case t == reflect.TypeFor[time.Time]():
		return &node{Type: "string", Format: "date-time"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return &node{Type: "string"}
	case t == reflect.TypeFor[[]byte]():
		return &node{Type: "string", Encoding: "base64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		n := m.of(t.Elem())
		n.Type = []any{n.Type, "null"}
		return n
	case reflect.Bool:
		return &node{Type: "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &node{Type: "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &node{Type: "integer", Minimum: &zero}
	case reflect.String:
		n := &node{Type: "string"}
		if t.PkgPath() != "" {
			n.Enum = m.source(t.PkgPath()).values[t.Name()]
		}
		return n
	case reflect.Slice:
		return &node{Type: "array", Items: m.of(t.Elem())}
	case reflect.Map:
		return &node{Type: "object", Others: m.of(t.Elem())}
	case reflect.Struct:
		return m.object(t)
	}
	m.t.Fatalf("there is no schema for %v", t)
	return nil
}

func (m *maker) object(t reflect.Type) *node {
	n := &node{Type: "object", Properties: map[string]*node{}}
	if m.strict {
		n.Others = false
	}
	about := m.source(t.PkgPath()).comments[t.Name()]
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		optional := options == "omitempty" || options == "omitzero"
		kind := f.Type
		if optional && kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		p := m.of(kind)
		p.Description = about[f.Name]
		if p.Enum != nil && !optional && strings.Contains(p.Description, "empty") && !slices.Contains(p.Enum, "") {
			p.Enum = append(p.Enum, "")
		}
		n.Properties[name] = p
		if !optional && !m.strict {
			n.Required = append(n.Required, name)
		}
	}
	return n
}

// source is what only the text of a package tells.
type source struct {
	comments map[string]map[string]string // type → field → its comment
	values   map[string][]string          // type → its constants
}

func (m *maker) source(pkg string) *source {
	if s := m.parsed[pkg]; s != nil {
		return s
	}
	s := &source{map[string]map[string]string{}, map[string][]string{}}
	m.parsed[pkg] = s
	files, err := filepath.Glob(filepath.Join(root(), strings.TrimPrefix(pkg, "vmorchestrator/"), "*.go"))
	if err != nil || len(files) == 0 {
		m.t.Fatalf("the text of %s is not there (%v)", pkg, err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			m.t.Fatal(err)
		}
		ast.Inspect(file, s.look)
	}
	return s
}

func (s *source) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.TypeSpec:
		if fields, ok := n.Type.(*ast.StructType); ok {
			about := map[string]string{}
			for _, f := range fields.Fields.List {
				for _, name := range f.Names {
					about[name.Name] = strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
				}
			}
			s.comments[n.Name.Name] = about
		}
	case *ast.ValueSpec:
		named, ok := n.Type.(*ast.Ident)
		if !ok || len(n.Values) != 1 {
			return true
		}
		if literal, ok := n.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if value, err := strconv.Unquote(literal.Value); err == nil && !slices.Contains(s.values[named.Name], value) {
				s.values[named.Name] = append(s.values[named.Name], value)
			}
		}
	}
	return true
}

// root is the folder of the repository.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}
