package target

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// offered decides whether an operator may want to run a rule by its name. The
// package comment lists the reasons against.
func (r *reader) offered(ru *rule) bool {
	if hint, ok := r.hints[ru.name]; ok {
		ru.note = ru.note.or(hint)
	}
	switch {
	case ru.line == 0 || ru.note.hidden || !callable(ru.name):
		return false
	case !speakable(ru.name):
		if ru.recipe || ru.deps {
			r.problem(ru.file, ru.line, "a target's name has characters that cannot be shown; it is not listed")
		}
		return false
	case !ru.recipe && !ru.deps && ru.note.text == "":
		return false
	case r.phony[ru.name] || ru.note.text != "":
		return true
	}
	return !looksLikeFile(ru.name) && !r.seen[ru.name]
}

// callable reports whether `make name` would ask for this name, and convention
// does not call it a helper.
func callable(name string) bool {
	return name != "" && strings.IndexByte("._-", name[0]) < 0 && !strings.ContainsAny(name, "=%")
}

// speakable reports whether a name can be shown and passed on as it is.
func speakable(name string) bool {
	return utf8.ValidString(name) && strings.IndexFunc(name, func(c rune) bool {
		return unicode.IsControl(c) || reorders(c)
	}) < 0
}

// looksLikeFile tells "bin/app" and "main.o" from "db.migrate". It is asked
// only about names that are neither phony nor documented.
func looksLikeFile(name string) bool {
	if strings.ContainsAny(name, "/(~") { // a path, an archive member, a home directory
		return true
	}
	for {
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			return false
		}
		ext := strings.ToLower(name[dot+1:])
		if fileExt[ext] {
			return true
		}
		if ext == "" || strings.Trim(ext, "0123456789") != "" {
			return false
		}
		name = name[:dot] // libz.so.1.3
	}
}

var fileExt = set(`a aar abi adoc apk asc asm att awk bak bash bat bc bib bin bmp bz2 c c++ cc cert cfg cgi class
	cmd cmi cmo cmx conf config cpp crt crx csr css csv ctags cxx d dat db deb def dep deps diff dll dmg do doc
	docx done dot dtb dts dump dvi dylib egg elf env epub eps err exe exp f f90 flag fish flatpak fs gcda gcno
	gem gif go gpg gz h hcl hex hh hpp hs htm html hxx i ico idx img in info ini inc ipa ipynb iso jar java jpeg
	jpg js json json5 jsonl jsx key ko kt l la lib list lo lock log lst lua lz4 m m4 man map md mjs mk ml mli mo
	mod mp3 mp4 msi o obj odt ok opt orig out p12 patch pb pc pcap pch pdb pdf pem php pic pid pkg pl pm png po
	pot proto ps pub py pyc qcow2 r rb rej rest ris rkt rom rpm rs rst rtf s sarif sass sbom scala scm scss sed
	sh sha1 sha256 sha512 sig sln snap so sock spec sql sqlite sqlite3 srt srec stamp sum svelte svg swift swp
	sym sys t tab tar tbz tbz2 tex texi tf tfplan tfstate tfvars tgz timestamp tmp tmpl toml tpl ts tsv tsx ttf
	txt txz uf2 vcd vdi vhd vmdk vue v wasm wat webm webp whl wit woff woff2 x86_64 xbm xls xlsx xml xpi xz y
	yaml yml z zip zsh zst`)

func set(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(list) {
		m[w] = true
	}
	return m
}
