"""Names that single-cell data uses and the Cell Ontology lacks, or gives to something else.

The ontology's own synonyms mislead here: "DC2" is its plasmacytoid dendritic cell, "alpha cell" a
retinal ganglion cell, "CD16+ monocyte" the intermediate monocyte.
"""

from __future__ import annotations

__all__ = ["EVERYDAY_NAMES"]

#: Name -> Cell Ontology id. Spelling is normalised before look-up.
EVERYDAY_NAMES: dict[str, str] = {
    # blood and immune
    "CD4 T cell": "CL:0000624",  # CD4-positive, alpha-beta T cell
    "CD4+ T cell": "CL:0000624",  # CD4-positive, alpha-beta T cell
    "CD4T": "CL:0000624",  # CD4-positive, alpha-beta T cell
    "CD4": "CL:0000624",  # CD4-positive, alpha-beta T cell
    "T cell CD4": "CL:0000624",  # CD4-positive, alpha-beta T cell
    "CD8 T cell": "CL:0000625",  # CD8-positive, alpha-beta T cell
    "CD8+ T cell": "CL:0000625",  # CD8-positive, alpha-beta T cell
    "CD8T": "CL:0000625",  # CD8-positive, alpha-beta T cell
    "CD8": "CL:0000625",  # CD8-positive, alpha-beta T cell
    "T cell CD8": "CL:0000625",  # CD8-positive, alpha-beta T cell
    "naive CD4 T cell": "CL:0000895",  # naive thymus-derived CD4-positive, alpha-beta T cell
    "naive CD4+ T cell": "CL:0000895",  # naive thymus-derived CD4-positive, alpha-beta T cell
    "CD4 naive": "CL:0000895",  # naive thymus-derived CD4-positive, alpha-beta T cell
    "CD4+ naive T cell": "CL:0000895",  # naive thymus-derived CD4-positive, alpha-beta T cell
    "T CD4 naive": "CL:0000895",  # naive thymus-derived CD4-positive, alpha-beta T cell
    "naive CD8 T cell": "CL:0000900",  # naive thymus-derived CD8-positive, alpha-beta T cell
    "naive CD8+ T cell": "CL:0000900",  # naive thymus-derived CD8-positive, alpha-beta T cell
    "CD8 naive": "CL:0000900",  # naive thymus-derived CD8-positive, alpha-beta T cell
    "CD8+ naive T cell": "CL:0000900",  # naive thymus-derived CD8-positive, alpha-beta T cell
    "T CD8 naive": "CL:0000900",  # naive thymus-derived CD8-positive, alpha-beta T cell
    "memory CD4 T cell": "CL:0000897",  # CD4-positive, alpha-beta memory T cell
    "memory CD4+ T cell": "CL:0000897",  # CD4-positive, alpha-beta memory T cell
    "CD4 memory": "CL:0000897",  # CD4-positive, alpha-beta memory T cell
    "CD4+ memory T cell": "CL:0000897",  # CD4-positive, alpha-beta memory T cell
    "memory CD8 T cell": "CL:0000909",  # CD8-positive, alpha-beta memory T cell
    "memory CD8+ T cell": "CL:0000909",  # CD8-positive, alpha-beta memory T cell
    "CD8 memory": "CL:0000909",  # CD8-positive, alpha-beta memory T cell
    "CD8+ memory T cell": "CL:0000909",  # CD8-positive, alpha-beta memory T cell
    "cytotoxic CD8 T cell": "CL:0000794",  # CD8-positive, alpha-beta cytotoxic T cell
    "cytotoxic CD8+ T cell": "CL:0000794",  # CD8-positive, alpha-beta cytotoxic T cell
    "CD8+ cytotoxic T cell": "CL:0000794",  # CD8-positive, alpha-beta cytotoxic T cell
    "CTL": "CL:0000794",  # CD8-positive, alpha-beta cytotoxic T cell
    "effector CD8 T cell": "CL:0001050",  # effector CD8-positive, alpha-beta T cell
    "effector CD8+ T cell": "CL:0001050",  # effector CD8-positive, alpha-beta T cell
    "activated CD8+ T cell": "CL:0000906",  # activated CD8-positive, alpha-beta T cell
    "activated CD4+ T cell": "CL:0000896",  # activated CD4-positive, alpha-beta T cell
    "T reg": "CL:0000815",  # regulatory T cell
    "regulatory T": "CL:0000815",  # regulatory T cell
    "Th1": "CL:0000545",  # T-helper 1 cell
    "Th2": "CL:0000546",  # T-helper 2 cell
    "Th17": "CL:0000899",  # T-helper 17 cell
    "gd T cell": "CL:0000798",  # gamma-delta T cell
    "gdT": "CL:0000798",  # gamma-delta T cell
    "MAIT": "CL:0000940",  # mucosal-associated invariant T cell
    "MAIT cell": "CL:0000940",  # mucosal-associated invariant T cell
    "NKT": "CL:0000814",  # mature NK T cell
    "NKT cell": "CL:0000814",  # mature NK T cell
    "NK": "CL:0000623",  # natural killer cell
    "CD56+ NK": "CL:0000623",  # natural killer cell
    "CD56bright NK cell": "CL:0000938",  # CD16-negative, CD56-bright natural killer cell, human
    "CD56dim NK cell": "CL:0000939",  # CD16-positive, CD56-dim natural killer cell, human
    "CD16+ NK cell": "CL:0000939",  # CD16-positive, CD56-dim natural killer cell, human
    "ILC": "CL:0001065",  # innate lymphoid cell
    "CD19+ B": "CL:0000236",  # B cell
    "CD14+ monocyte": "CL:0001054",  # CD14-positive monocyte
    "CD14+ mono": "CL:0001054",  # CD14-positive monocyte
    "CD14 mono": "CL:0001054",  # CD14-positive monocyte
    "CD14 monocyte": "CL:0001054",  # CD14-positive monocyte
    "CD16+ monocyte": "CL:0002396",  # CD14-low, CD16-positive monocyte
    "CD16 mono": "CL:0002396",  # CD14-low, CD16-positive monocyte
    "CD16+ mono": "CL:0002396",  # CD14-low, CD16-positive monocyte
    "CD16 monocyte": "CL:0002396",  # CD14-low, CD16-positive monocyte
    "FCGR3A+ monocyte": "CL:0002396",  # CD14-low, CD16-positive monocyte
    "FCGR3A+ mono": "CL:0002396",  # CD14-low, CD16-positive monocyte
    "FCGR3A+ (CD16+) monocyte": "CL:0002396",  # CD14-low, CD16-positive monocyte
    "mono": "CL:0000576",  # monocyte
    "TAM": "CL:0000235",  # macrophage
    "tumor-associated macrophage": "CL:0000235",  # macrophage
    "Mph": "CL:0000235",  # macrophage
    "DC": "CL:0000451",  # dendritic cell
    "B naive": "CL:0000788",  # naive B cell
    "B memory": "CL:0000787",  # memory B cell
    "cDC1": "CL:0002394",  # CD141-positive myeloid dendritic cell
    "DC1": "CL:0002394",  # CD141-positive myeloid dendritic cell
    "conventional dendritic cell type 1": "CL:0002394",  # CD141-positive myeloid dendritic cell
    "cDC2": "CL:0002399",  # CD1c-positive myeloid dendritic cell
    "DC2": "CL:0002399",  # CD1c-positive myeloid dendritic cell
    "conventional dendritic cell type 2": "CL:0002399",  # CD1c-positive myeloid dendritic cell
    "HSC": "CL:0000037",  # hematopoietic stem cell
    "HSPC": "CL:0008001",  # hematopoietic precursor cell
    "CD34+": "CL:0008001",  # hematopoietic precursor cell
    "CD34+ hematopoietic stem/progenitor cell": "CL:0008001",  # hematopoietic precursor cell
    "immune cell": "CL:0000738",  # leukocyte
    "lymphoid cell": "CL:0000542",  # lymphocyte
    # stroma and vessels
    "endothelia": "CL:0000115",  # endothelial cell
    "vascular endothelial cell": "CL:0000071",  # blood vessel endothelial cell
    "blood endothelial cell": "CL:0000071",  # blood vessel endothelial cell
    "CAF": "CL:0000057",  # fibroblast
    "cancer-associated fibroblast": "CL:0000057",  # fibroblast
    "SMC": "CL:0000192",  # smooth muscle cell
    "MSC": "CL:0000134",  # mesenchymal stem cell
    "myofibroblast": "CL:0000186",  # myofibroblast cell
    # pancreas
    "alpha cell": "CL:0000171",  # pancreatic A cell
    "beta cell": "CL:0000169",  # type B pancreatic cell
    "delta cell": "CL:0000173",  # pancreatic D cell
    "gamma cell": "CL:0002275",  # pancreatic PP cell
    "pancreatic gamma cell": "CL:0002275",  # pancreatic PP cell
    "pancreatic gamma (PP) cell": "CL:0002275",  # pancreatic PP cell
    "epsilon cell": "CL:0005019",  # pancreatic epsilon cell
    "ductal cell": "CL:0002079",  # pancreatic ductal cell
    "activated pancreatic stellate cell": "CL:0002410",  # pancreatic stellate cell
    "quiescent pancreatic stellate cell": "CL:0002410",  # pancreatic stellate cell
    # lung
    "AT1": "CL:0002062",  # pulmonary alveolar type 1 cell
    "ATI": "CL:0002062",  # pulmonary alveolar type 1 cell
    "alveolar epithelial cell type 1": "CL:0002062",  # pulmonary alveolar type 1 cell
    "AT2": "CL:0002063",  # pulmonary alveolar type 2 cell
    "ATII": "CL:0002063",  # pulmonary alveolar type 2 cell
    "alveolar epithelial cell type 2": "CL:0002063",  # pulmonary alveolar type 2 cell
    # brain
    "Astro": "CL:0000127",  # astrocyte
    "Oligo": "CL:0000128",  # oligodendrocyte
    "Micro": "CL:0000129",  # microglial cell
    "Excit": "CL:0000679",  # glutamatergic neuron
    "Inhib": "CL:0000617",  # GABAergic neuron
    "OPC": "CL:0002453",  # oligodendrocyte precursor cell
    "NPC": "CL:0011020",  # neural progenitor cell
    "excitatory neuron": "CL:0000679",  # glutamatergic neuron
    "inhibitory neuron": "CL:0000617",  # GABAergic neuron
    "microglia": "CL:0000129",  # microglial cell
    # epithelia, tumours, stem cells
    "iPSC": "CL:0002248",  # pluripotent stem cell
    "iPS": "CL:0002248",  # pluripotent stem cell
    "induced pluripotent stem cell": "CL:0002248",  # pluripotent stem cell
    "tumor cell": "CL:0001064",  # malignant cell
    "tumour cell": "CL:0001064",  # malignant cell
    "cancer cell": "CL:0001064",  # malignant cell
    "malignant": "CL:0001064",  # malignant cell
    "ENS glia": "CL:4040002",  # enteroglial cell
    "PNEC": "CL:1000223",  # pulmonary neuroendocrine cell
}
