"""Text that headers often hold, the most frequent last: the preset dictionary of their deflation.

Part of the format: never to be changed within a format version, whatever becomes of fields.
"""

_SPACES = " " * 80  # an empty label of an MRC header
_TEXT = r"""
"cellb":[90.0,90.0,120.0],"mapc":3,"mapr":1,"maps":2,"nsymbt":160,"exttyp":"FEI1","origin":[-100
.0,-100.0,-100.0],"nxstart":-50,"nystart":-50,"nzstart":-50,"mx":100,"my":100,"mz":100,"nx":100,
"ny":100,"nz":100,"machst":[17,17,0,0],"machst":[0,0,68,68],"extra1":"00000000","extra2":"000000
00","nlabl":10,"label":["Relion    10-Mar-26  14:24:53"]"Created by mrcfile.py    2026-11-20 20:
01:02"UCSF ChimeraX"Chimera 1.15_b42258 Wed Jan 26 15:31:37 2022"Chimera 1.4.1_b30282 Thu Feb 2
4 15:11:03 2011"Created by RELION, cisTEM, cryoSPARC, IMAGIC: CCP4 image"mrc_extended":"","byte_
order":">","residual":{"kind":"lossless","step":1.0},"mode":0,"mode":6,"mode":12,"mode":1,"densi
ty_scale":1{"package":"0.2.0","settings":{"threshold":"3sigma","model":"paper","lossless":true,"
device":"cpu","paper":{"width":"small","max_steps":20},"field":{"occupancy":"exact","symmetry":"
none","block":8}},"model":{"name":"paper","config":{"frequencies":10,"latent_size":64,"widths":[
128,64,32,16],"widths":[512,256,128,64],"widths":[2048,1024,512,256],"residual":"full","projecti
on":"fold","weights":"float16","exponents":[19,17,17,17,17]},"streams":{"network":""}},"members"
:[{"name":"postprocess_masked"},{"name":"run_half1_class001_unfil","shape":[128,128,128],"stream
s":{"mask":"","latent":""},"voxels":,"level":{"package":"0.2.0","settings":{"threshold":"none","
lossless":true},"model":{"name":"lossless"},"members":[{"shape":[256,256,256],"streams":{"lossle
ss":""},"background":0.0,"quality":{"nrmse":0.0,"correlation":1.0,"max_error":0.0,"within_20_per
cent":1.0,"mean_relative_error":0.0,"bands":{"low":[0.0,0.05,0.1,0.2,0.4,0.6,0.8],"high":[0.05,0
.1,0.2,0.4,0.6,0.8,1.0],"voxels":[],"within_20_percent":[1.0,1.0,1.0,1.0,1.0,1.0,1.0],"mean_rela
tive_error":[0.0,0.0,0.0,0.0,0.0,0.0,0.0]},"iou":[1.0,1.0,1.0],"nyquist":4.0,"fsc_step":0.005208
}"target_ratio":100.0"max_error":0.1},"streams":{"mask":"","latents":"","residual_tables":"","re
sidual_index":"","residual":""},"residual":{"kind":"max_error","step":0.1},"symmetry":[0,0,0,"re
ference":0"edition":1,"block":4,"shape":"smooth","tile":32,"step":"edition":1,"block":6,"shape":
"sharp","tile":21,"step":"edition":1,"block":10,"shape":"sharp","tile":12,"step":"edition":1,"bl
ock":12,"shape":"sharp","tile":10,"step":"label":["::::EMDATABANK.org::::EMD-1001::::~","@","@",
"@","@","@","@","@","@","@"]}{"package":"0.2.0","settings":{"threshold":"none","target_psnr":45.
0},"model":{"name":"field"},"members":[{"shape":[96,96,96],"streams":{"latents":""},"background"
:-0.00,"contrast_limits":[-0.0,0.0],"original_checksum":"","decoded_checksum":"","contour":2.0,"
mrc":{"cella":[100.0,100.0,100.0],"dmin":-1.0,"dmax":2.0,"dmean":-0.00,"ispg":0,"nversion":0,"ma
chst":[68,65,0,0],"rms":0.0,"nlabl":1},"quality":{"nrmse":0.09,"correlation":0.99,"max_error":0.
4,"within_20_percent":0.5,"mean_relative_error":1.0,"bands":{"low":[0.0,0.05,0.1,0.2,0.4,0.6,0.8
],"high":[0.05,0.1,0.2,0.4,0.6,0.8,1.0],"voxels":[179000,59000,10000,7000,3000,900,100],"within_
20_percent":[0.3,0.8,0.99,1.0,1.0,1.0,1.0],"mean_relative_error":[1.3,0.1,0.05,0.02,0.01,0.008,0
.007]},"iou":[0.98,0.98,0.98],"nyquist":4.0,"psnr":45.0,"fsc_099":7.0,"fsc_05":5.0,"fsc_step":0.
0078},"config":{"package":"0.2.0","settings":{"threshold":4.0,"threshold":"4.0","target_nrmse":0
.06,"effort":"fast","device":"cpu"},"model":{"name":"field"},"members":[{"shape":[64,64,64],"str
eams":{"latents":""},"background":-0.0,"contrast_limits":[-0.0,0.0],"original_checksum":"","deco
ded_checksum":"","threshold":4.0,"mrc":{"cella":[100.0,100.0,100.0],"dmin":-0.0,"dmax":1.0,"dmea
n":0.00,"nversion":0,"machst":[68,65,32,32],"nversion":0,"machst":[68,65,0,0],"rms":0.0,"nlabl":
1,"label":["::::EMDATABANK.org::::EMD-1","quality":{"above_contour":12000,"nrmse":0.059,"correla
tion":0.998,"max_error":0.3,"within_20_percent":0.999,"mean_relative_error":0.01,"bands":{"low":
[0.1,0.2,0.4,0.6,0.8],"high":[0.2,0.4,0.6,0.8,1.0],"voxels":[200,7000,3000,900,100],"within_20_p
ercent":[0.99,0.999,1.0,1.0,1.0],"mean_relative_error":[0.04,0.02,0.01,0.007,0.005]},"iou":[0.9,
0.9,0.9],"nyquist":5.0,"psnr":25.0,"fsc_099":100.0,"fsc_05":10.0,"fsc_step":0.00},"config":{"edi
tion":1,"block":8,"shape":"sharp","tile":16,"step":0.3,"base":-0.0}}]}
"""

_WITH_SPACES = _TEXT.replace("@", _SPACES).replace("~", _SPACES[:46])
USUAL_TEXT = _WITH_SPACES.replace("\n", "").encode("ascii")
