import scmmgpt_tl as scmm
def test_x(counts_adata,tiny_model):
    e=counts_adata[:0].copy()
    for f in (lambda: scmm.tl.annotate(e,model=tiny_model), lambda: scmm.tl.annotate(e,groupby='cluster',model=tiny_model), lambda: scmm.tl.embed(e,model=tiny_model), lambda: scmm.tl.describe(e,model=tiny_model),lambda: scmm.tl.search(e,'x',model=tiny_model),lambda: scmm.tl.rank_terms(e,model=tiny_model)):
        try: print(f(), e)
        except Exception as x: print(repr(x))
    assert 0
