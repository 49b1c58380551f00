"""The preset dictionary of the header's deflation: text that headers often hold.

First what headers of the model inr, and of those that auto tries, have beside the rest; then first
words of MRC labels and rare fields, then headers of usual archives, the most frequent last, with
the fields in the order in which they are written. Part of the format: never to be changed within a
format version, whatever becomes of fields. (Until the first release text may be added at the front:
deflate counts distances from the end, so that headers written before can still be read.)
"""

_TEXT = r"""
"symmetry":"none","symmetry":"C2","centre":[49.5,49.5,49.5],"helix":[10.0,-100.0],"frame":[0,1,0,1],
"symmetry":"D7","centre":[50.0,50.0,50.0],"frame":[1,1,1,1],"symmetry":"C4","centre":[32.0,32.0
"threshold":"0.0","keep":"contour","model":"inr","target_nrmse":0.06,"device":"cpu",
"inr":{"steps":100}},"model":{"name":"inr"},"members":[{"shape":["psnr":30.0},
"config":{"edition":1,"spacing":64,"degree":1,"steps":[0.0
"device":"cpu"},"model":{"name":"field","other":"inr","other_bytes":2000},"members":[{"shape":[
{"package":"0.3.0","settings":{"threshold":"0.0","model":"inr","device":"cpu"},
"model":{"name":"inr","other":"field","other_bytes":2000},"members":[{"shape":["psnr":35.0},
"config":{"edition":1,"spacing":136,"degree":3,"steps":[0.0012345,0.0023456,0.034567,0.45678],
"base":-0.0}}]}
"exttyp":"FEI1","exttyp":"SERI","nsymbt":160,"cellb":[90,90,120],"cellb":[0,0,0],
"mapc":3,"mapr":1,"maps":2,"nx":100,"ny":100,"nz":100,"extra1":"00000000","extra2":"00000000",
"Created by IMAGIC: CCP4 image = // "Created by RELION, cisTEM, cryoSPARC, EMAN, SerialEM, IMOD: "
"UCSF ChimeraX"UCSF Chimera"Chimera 1.4.1_b30282 Thu Feb 24 15:11:03 2011"
"Chimera 1.15_b42258 Wed Jan 26 15:31:37 2022"Relion    10-Mar-26  14:24:53"
"Created by mrcfile.py                                       2026-11-20 20:01:02 "
{"name":"run_half1_class001_unfil","shape":[128,128,128],
{"name":"postprocess_masked","shape":[128,128,128],
"mode":0,"mode":6,"mode":12,"mode":1,"density_scale":1,
"residual":{"kind":"lossless","step":1},"residual":{"kind":"max_error","step":0.1},
{"package":"0.3.0","settings":{"threshold":"3sigma","model":"paper","max_error":0.1,"seed":1,
"paper":{"width":"small","max_steps":20},"field":{"occupancy":"exact","symmetry":"none","block":8}},
"model":{"name":"paper","config":{"frequencies":10,"latent_size":64,"widths":[128,64,32,16],
"widths":[512,256,128,64],"widths":[2048,1024,512,256],"residual":"full","projection":"fold",
"weights":"float16","exponents":[19,17,17,17,17]}},"members":[
{"package":"0.3.0","settings":{"threshold":"none","lossless":true},"model":{"name":"lossless"},
"members":[{"shape":[256,256,256],"background":0,"contrast_limits":[0,1],
"quality":{"nrmse":0,"correlation":1,"max_error":0,"within_20_percent":1,"mean_relative_error":0,
"iou":[1,1,1],
"nyquist":4}}]}
"edition":1,"block":4,"shape":"smooth","tile":32,"edition":1,"block":16,"shape":"sharp","tile":8,
"edition":1,"block":6,"shape":"sharp","tile":21,"edition":1,"block":10,"shape":"sharp","tile":12,
"edition":1,"block":8,"shape":"sharp","tile":16,"reference":0,
"kind":"labels","kind":"mask","kind":"tomogram","resolution_source":"half-maps","cell":8,
"resolution_source":"grid","resolution_source":"weak","resolution_source":"given","neighbours":12,
"half_map_resolution":3.2,"half_map_resolution_after":3.2,"error_of_noise":0.09,"aspect":[1,1,0.9],
{"package":"0.3.0","settings":{"threshold":"none","target_ratio":100,"target_psnr":45,"effort":"best
","device":"cpu"},"model":{"name":"field"},"members":[{"shape":[64,64,64],"background":-0.00
,"contrast_limits":[-0.0,0.0],"original_checksum":"","decoded_checksum":"","byte_order":">",
"keep":"volume","limits":[-0.0,0.0],"contour":0.2,"mrc":{"nxstart":-50,"nystart":-50,"nzstart":-50,
"mx":99,"my":99,"mz":99,"cella":[100.80002,100.80002,100.80002],"ispg":0,"nversion":0,
"origin":[-100.0,-100.0,-100.0],"machst":[17,17,0,0],"machst":[0,0,68,68],"nlabl":10,
"label":["::::EMDATABANK.org::::EMD-2},"quality":{"nrmse":0.1,"correlation":0.99,"max_error":0.0
,"within_20_percent":0.7,"mean_relative_error":0.1,"iou":[0.96,0.96,0.96],"level":0.00,"nyquist":5.28
,"fsc_099":20,"fsc_05":10,"lowest_fsc":0.5,"resolution":10.0,"resolution_source":"filter","psnr":45.0
},"config":{"edition":1,"block":12,"shape":"sharp","tile":10,"step":0.1,"base":0.0}}]}
{"package":"0.3.0","settings":{"threshold":0.0,"keep":"contour","target_nrmse":0.06,"effort":"fast",
"device":"cpu"},"model":{"name":"field"},"members":[{"shape":[100,100,100],"background":-0.0
,"contrast_limits":[-0.0,0.0],"original_checksum":"","decoded_checksum":"","keep":"contour",
"threshold":0.0,"limits":[-0.0,0.0],"mrc":{"cella":[100,100,100],"ispg":0,"nversion":0,
"machst":[68,65,0,0],"nlabl":1,"label":["::::EMDATABANK.org::::EMD-1"]},"quality":{"kept_voxels":10000
,"nrmse":0.059,"correlation":0.998,"max_error":0.00,"within_20_percent":0.99,"mean_relative_error":0.0
,"iou":[0.9,0.9,0.9],"nyquist":8.2,"fsc_099":100,"fsc_05":20,"lowest_fsc":-0.5,"psnr":30.0},
"config":{"edition":1,"block":10,"shape":"sharp","tile":12,"step":0.00,"base":-0.0}}]}
{"package":"0.3.0","settings":{"threshold":0.0,"target_fsc":0.99,"resolution":4.0,"device":"cpu"},
"model":{"name":"field"},"members":[{"shape":[100,100,100],"background":-0.0,"contrast_limits":[-0.0
,0.0],"original_checksum":"","decoded_checksum":"","threshold":0.0,"rim":[0.0,0.0],
"limits":[-0.0,0.0],
"mrc":{"cella":[100,100,100],"ispg":0,"nversion":0,"machst":[68,65,32,32],"nversion":0,
"machst":[68,65,0,0],"nlabl":1,"label":["::::EMDATABANK.org::::EMD-1
:::: "," "," "," "," "," "," "," "," "," "]},"residual":{"kind":"surface","step":0.0},
"quality":{"kept_voxels":20000,"nrmse":0.1,"correlation":0.99,"max_error":0.0,"within_20_percent":1
,"mean_relative_error":0.0,"iou":[0.97,0.97,0.97],"nyquist":8.2,"fsc_099":10.0,"fsc_05":10,
"lowest_fsc":0.9902,"resolution":10.0,"resolution_source":"filter","psnr":35.0},
"config":{"edition":1,"block":8,"shape":"sharp","tile":16,"step":0.00,"base":-0.0,
"symmetry":[1,0,100,100],"band_steps":[50,32,20,0,1,10,30]}}]}
"""
USUAL_TEXT = _TEXT.replace("\n", "").encode("ascii")
