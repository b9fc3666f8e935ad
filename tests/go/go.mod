module mapproof/tests/go

go 1.23
