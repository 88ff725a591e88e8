// What Go's golang.org/x/mod/sumdb/tlog and note make of a log in the tlog-tiles layout.
//
//    tlog verify DIR VKEY INDEX…                checks checkpoint, tiles, entries; prints the proofs
//    tlog growth DIR VKEY SIZE…                 prints root and consistency proof of earlier trees
//    tlog cosigned FILE VKEY                    checks a cosignature and prints its time
//    tlog proof FILE VKEY ENTRY                 checks a .tlog-proof file
//    tlog make DIR SKEY SIZE…                   writes a log that grows through these sizes
//    tlog bench SIZE                            prints what appending and verifying cost
package main

import (
    "bytes"
    "crypto/ed25519"
    "crypto/sha256"
    "encoding/base64"
    "encoding/binary"
    "errors"
    "fmt"
    "os"
    "path/filepath"
    "strconv"
    "strings"
    "time"

    "golang.org/x/mod/sumdb/note"
    "golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
    if err != nil {
        fmt.Fprintln(os.Stderr, "tlog:", err)
        os.Exit(1)
    }
}

func number(text string) int64 {
    n, err := strconv.ParseInt(text, 10, 64)
    check(err)
    return n
}

// Go's paths name the height, which is always 8 here, and call entries data.
func tilePath(t tlog.Tile) string {
    return strings.Replace(strings.Replace(t.Path(), "tile/8/", "tile/", 1), "/data/", "/entries/", 1)
}

type folder string

func (f folder) Height() int { return 8 }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
    var all [][]byte
    for _, t := range tiles {
        data, err := os.ReadFile(filepath.Join(string(f), tilePath(t)))
        if err != nil {
            full := t
            full.W = 256
            data, err = os.ReadFile(filepath.Join(string(f), tilePath(full)))
            if err != nil {
                return nil, err
            }
            data = data[:t.W*tlog.HashSize]
        }
        all = append(all, data)
    }
    return all, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func parseCheckpoint(text string) tlog.Tree {
    lines := strings.Split(text, "\n")
    if len(lines) < 4 {
        check(errors.New("a checkpoint has three lines"))
    }
    hash, err := base64.StdEncoding.DecodeString(lines[2])
    check(err)
    tree := tlog.Tree{N: number(lines[1])}
    copy(tree.Hash[:], hash)
    return tree
}

func open(path, vkey string) (*note.Note, tlog.Tree) {
    data, err := os.ReadFile(path)
    check(err)
    return openNote(data, vkey)
}

func openNote(data []byte, vkey string) (*note.Note, tlog.Tree) {
    verifier, err := note.NewVerifier(vkey)
    check(err)
    signed, err := note.Open(data, note.VerifierList(verifier))
    check(err)
    return signed, parseCheckpoint(signed.Text)
}

func entryOf(dir string, size, index int64) []byte {
    width := size - index/256*256
    if width > 256 {
        width = 256
    }
    t := tlog.Tile{H: 8, L: -1, N: index / 256, W: int(width)}
    data, err := os.ReadFile(filepath.Join(dir, tilePath(t)))
    check(err)
    for i := int64(0); ; i++ {
        n := int(binary.BigEndian.Uint16(data))
        if i == index%256 {
            return data[2 : 2+n]
        }
        data = data[2+n:]
    }
}

func verify(dir, vkey string, indexes []string) {
    _, tree := open(filepath.Join(dir, "checkpoint"), vkey)
    reader := tlog.TileHashReader(tree, folder(dir))
    for _, text := range indexes {
        index := number(text)
        entry := entryOf(dir, tree.N, index)
        proof, err := tlog.ProveRecord(tree.N, index, reader)
        check(err)
        check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
        fmt.Printf("%d %x", index, entry)
        for _, hash := range proof {
            fmt.Printf(" %s", hash)
        }
        fmt.Println()
    }
}

func growth(dir, vkey string, sizes []string) {
    _, tree := open(filepath.Join(dir, "checkpoint"), vkey)
    reader := tlog.TileHashReader(tree, folder(dir))
    for _, text := range sizes {
        size := number(text)
        root, err := tlog.TreeHash(size, reader)
        check(err)
        proof, err := tlog.ProveTree(tree.N, size, reader)
        check(err)
        check(tlog.CheckTree(proof, tree.N, tree.Hash, size, root))
        fmt.Printf("%d %s", size, root)
        for _, hash := range proof {
            fmt.Printf(" %s", hash)
        }
        fmt.Println()
    }
}

// A verifier of timestamped Ed25519 cosignatures, which x/mod does not have.
type witness struct {
    name string
    hash uint32
    key  ed25519.PublicKey
    time uint64
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }
func (w *witness) Verify(msg, sig []byte) bool {
    if len(sig) != 8+ed25519.SignatureSize {
        return false
    }
    w.time = binary.BigEndian.Uint64(sig)
    signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", w.time, msg)
    return ed25519.Verify(w.key, []byte(signed), sig[8:])
}

func cosigned(path, vkey string) {
    parts := strings.SplitN(vkey, "+", 3)
    key, err := base64.StdEncoding.DecodeString(parts[2])
    check(err)
    if key[0] != 4 {
        check(errors.New("a witness's key is of type 4"))
    }
    id := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
    w := &witness{name: parts[0], hash: binary.BigEndian.Uint32(id[:]), key: key[1:]}
    if fmt.Sprintf("%08x", w.hash) != parts[1] {
        check(errors.New("the key's id is another"))
    }
    data, err := os.ReadFile(path)
    check(err)
    _, err = note.Open(data, note.VerifierList(w))
    check(err)
    fmt.Println(w.time)
}

func proof(path, vkey, entry string) {
    data, err := os.ReadFile(path)
    check(err)
    head, rest, found := strings.Cut(string(data), "\n\n")
    lines := strings.Split(head, "\n")
    if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
        check(errors.New("this is not a tlog-proof"))
    }
    if strings.HasPrefix(lines[1], "extra ") {
        lines = append(lines[:1], lines[2:]...)
    }
    index := number(strings.TrimPrefix(lines[1], "index "))
    var path2 tlog.RecordProof
    for _, line := range lines[2:] {
        hash, err := tlog.ParseHash(line)
        check(err)
        path2 = append(path2, hash)
    }
    _, tree := openNote([]byte(rest), vkey)
    content, err := os.ReadFile(entry)
    check(err)
    check(tlog.CheckRecord(path2, tree.N, tree.Hash, index, tlog.RecordHash(content)))
    fmt.Println("ok", index, tree.N)
}

type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
    var hashes []tlog.Hash
    for _, index := range indexes {
        hashes = append(hashes, m[index])
    }
    return hashes, nil
}

func entryAt(index int64) []byte {
    text := fmt.Sprintf("entry %d ", index)
    return []byte(text + strings.Repeat(".", int(index%7)))
}

func write(dir, path string, data []byte) {
    full := filepath.Join(dir, path)
    check(os.MkdirAll(filepath.Dir(full), 0o777))
    check(os.WriteFile(full, data, 0o666))
}

// grow appends entries to the log in dir, writes its tiles and signs it.
func grow(dir string, signer note.Signer, hashes memory, old, size int64) memory {
    for index := old; index < size; index++ {
        more, err := tlog.StoredHashes(index, entryAt(index), hashes)
        check(err)
        hashes = append(hashes, more...)
    }
    for _, t := range tlog.NewTiles(8, old, size) {
        data, err := tlog.ReadTileData(t, hashes)
        check(err)
        write(dir, tilePath(t), data)
        if t.L == 0 {
            var bundle bytes.Buffer
            for index := t.N * 256; index < t.N*256+int64(t.W); index++ {
                entry := entryAt(index)
                check(binary.Write(&bundle, binary.BigEndian, uint16(len(entry))))
                bundle.Write(entry)
            }
            t.L = -1
            write(dir, tilePath(t), bundle.Bytes())
        }
    }
    root, err := tlog.TreeHash(size, hashes)
    check(err)
    text := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), size, root)
    signed, err := note.Sign(&note.Note{Text: text}, signer)
    check(err)
    write(dir, "checkpoint", signed)
    return hashes
}

func build(dir, skey string, sizes []string) {
    signer, err := note.NewSigner(skey)
    check(err)
    var hashes memory
    old := int64(0)
    for _, text := range sizes {
        hashes = grow(dir, signer, hashes, old, number(text))
        old = number(text)
    }
}

func bench(size int64) {
    skey, vkey, err := note.GenerateKey(nil, "bench.example/log")
    check(err)
    signer, err := note.NewSigner(skey)
    check(err)
    dir, err := os.MkdirTemp("", "tlog")
    check(err)
    defer os.RemoveAll(dir)
    start := time.Now()
    grow(dir, signer, nil, 0, size)
    fmt.Printf("append %d\n", time.Since(start).Nanoseconds()/size)
    _, tree := open(filepath.Join(dir, "checkpoint"), vkey)
    reader := tlog.TileHashReader(tree, folder(dir))
    index := size / 3
    proof, err := tlog.ProveRecord(size, index, reader)
    check(err)
    data, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
    check(err)
    const rounds = 2000
    start = time.Now()
    for i := 0; i < rounds; i++ {
        _, tree := openNote(data, vkey)
        check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entryAt(index))))
    }
    fmt.Printf("verify %d\n", time.Since(start).Nanoseconds()/rounds)
    start = time.Now()
    var hashes memory
    for index := int64(0); index < size; index++ {
        more, err := tlog.StoredHashes(index, entryOf2(dir, size, index), hashes)
        check(err)
        hashes = append(hashes, more...)
    }
    root, err := tlog.TreeHash(size, hashes)
    check(err)
    if root != tree.Hash {
        check(errors.New("another root"))
    }
    fmt.Printf("monitor %d\n", time.Since(start).Nanoseconds()/size)
}

var bundle struct {
    number int64
    rest   []byte
}

// entryOf2 reads entries one after another, each bundle once.
func entryOf2(dir string, size, index int64) []byte {
    if index%256 == 0 {
        width := size - index
        if width > 256 {
            width = 256
        }
        t := tlog.Tile{H: 8, L: -1, N: index / 256, W: int(width)}
        data, err := os.ReadFile(filepath.Join(dir, tilePath(t)))
        check(err)
        bundle.rest = data
    }
    n := int(binary.BigEndian.Uint16(bundle.rest))
    entry := bundle.rest[2 : 2+n]
    bundle.rest = bundle.rest[2+n:]
    return entry
}

func main() {
    words := os.Args[1:]
    if len(words) < 2 {
        check(errors.New("too few words"))
    }
    switch words[0] {
    case "verify":
        verify(words[1], words[2], words[3:])
    case "growth":
        growth(words[1], words[2], words[3:])
    case "cosigned":
        cosigned(words[1], words[2])
    case "proof":
        proof(words[1], words[2], words[3])
    case "make":
        build(words[1], words[2], words[3:])
    case "bench":
        bench(number(words[1]))
    default:
        check(errors.New("no such word"))
    }
}
